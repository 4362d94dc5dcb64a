import { type Check, failure, ok, type Verdict, warning } from './check.ts';

/** The process's own identity at Alibaba Cloud. */
export interface OwnIdentity {
  /** As STS names it; undefined when STS does not answer. */
  readonly arn: string | undefined;
  /** Whether its access key never ends. */
  readonly isPermanent: boolean;
}

/** Whether there is an identity of our own, and what kind. */
export function identityChecks(read: () => Promise<OwnIdentity>): readonly Check[] {
  return [{ area: 'credentials', subject: 'own identity', run: async () => verdictsOf(await read()) }];
}

function verdictsOf({ arn, isPermanent }: OwnIdentity): readonly Verdict[] {
  if (arn === undefined) {
    return [failure('there are credentials, and STS does not say whose', 'See whether this machine reaches STS.')];
  }
  if (arn.endsWith(':root')) {
    return [failure(`it is ${arn}, which can assume no role`, 'Make a RAM user or a role for the worker.')];
  }
  if (!isPermanent) return [ok(arn)];
  return [
    ok(arn),
    warning('its access key never ends', 'Prefer a role that the machine or the pod has (RRSA, RAM role of ECS).'),
  ];
}
