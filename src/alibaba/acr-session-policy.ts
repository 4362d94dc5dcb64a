import type { AcrSource } from '../rules/rule-set.ts';

/** RAM's limit for a session policy in AssumeRole, in bytes; newer documentation allows 2,048. */
const policyBytesMax = 1024;

export interface AcrSessionPolicyOptions {
  readonly source: Pick<AcrSource, 'instanceId' | 'region' | 'accountId'>;
  readonly roleArn: string;
  /** Of the images to be signed, `*` for a run of characters; undefined: the whole instance. */
  readonly namespaces: readonly string[] | undefined;
}

/**
 * The session policy that narrows the role of a registry, however wide it is, to reading the registry by the OpenAPI,
 * its login, and pulling and pushing in these namespaces; JSON. Where it would be too long it names the whole instance.
 * Resources as in https://www.alibabacloud.com/help/en/acr/user-guide/ram-authorization-information; the actions that
 * read cannot all be narrowed to a resource.
 */
export function acrSessionPolicy({ source, roleArn, namespaces }: AcrSessionPolicyOptions): string {
  const account = source.accountId ?? roleArn.split(':')[3] ?? '';
  const repositories = `acs:cr:${source.region}:${account}:repository/${source.instanceId}`;
  const narrow = policyOf((namespaces ?? ['*']).map((namespace) => `${repositories}/${namespace}/*`));
  const whole = policyOf([`${repositories}/*`]);
  return namespaces === undefined || Buffer.byteLength(narrow) > policyBytesMax ? whole : narrow;
}

function policyOf(repositories: readonly string[]): string {
  return JSON.stringify({
    Version: '1',
    Statement: [
      { Effect: 'Allow', Action: ['cr:Get*', 'cr:List*'], Resource: ['*'] },
      { Effect: 'Allow', Action: ['cr:PullRepository', 'cr:PushRepository'], Resource: repositories },
    ],
  });
}

/**
 * Likewise for one repository where everything that is pushed is deleted again: pushing, deleting, and its triggers.
 * That deleting at the registry is `cr:DeleteRepositoryTag` is inferred: no page names its action.
 */
export function acrScratchPolicy(
  { instanceId, region, accountId }: AcrSessionPolicyOptions['source'],
  roleArn: string,
  repository: string,
): string {
  const resource = `acs:cr:${region}:${accountId ?? roleArn.split(':')[3] ?? ''}:repository/${instanceId}/${repository}`;
  const images = ['cr:PullRepository', 'cr:PushRepository', 'cr:DeleteRepositoryTag'];
  return JSON.stringify({
    Version: '1',
    Statement: [
      { Effect: 'Allow', Action: ['cr:Get*', 'cr:List*'], Resource: ['*'] },
      { Effect: 'Allow', Action: [...images, 'cr:CreateWebHook', 'cr:DeleteWebHook'], Resource: [resource] },
    ],
  });
}
