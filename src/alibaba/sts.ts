import { z } from 'zod';
import { AutosignError } from '../domain/errors.ts';
import { callOpenApi, type OpenApiTimeouts } from './call-openapi.ts';
import type { StsCredentials } from './sts-credentials.ts';

const version = '2015-04-01';

const AssumeRoleAnswer = z.object({
  Credentials: z.object({
    AccessKeyId: z.string().min(1),
    AccessKeySecret: z.string().min(1),
    SecurityToken: z.string().min(1),
    Expiration: z.iso.datetime({ offset: true }),
  }),
});

const CallerIdentityAnswer = z.object({ Arn: z.string().min(1) });

/** The calls to STS that we make. */
export interface StsCall {
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string;
  readonly credentials: StsCredentials;
  readonly timeouts: OpenApiTimeouts;
}

export interface RoleRequest {
  readonly roleArn: string;
  readonly externalId: string | undefined;
  readonly sessionName: string;
  /** The session policy, JSON: what the session may do is what role and policy both allow. */
  readonly policy: string;
  readonly durationSeconds: number;
}

/**
 * STS AssumeRole.
 * @throws AutosignError `role-refused`, `credentials-missing`, `kms-throttled`, `kms-unreachable`
 */
export async function assumeRole(call: StsCall, role: RoleRequest): Promise<StsCredentials> {
  const body = await callOpenApi({
    ...call,
    action: 'AssumeRole',
    version,
    query: {
      RoleArn: role.roleArn,
      RoleSessionName: role.sessionName,
      Policy: role.policy,
      DurationSeconds: String(role.durationSeconds),
      ...(role.externalId === undefined ? {} : { ExternalId: role.externalId }),
    },
  });
  const answer = AssumeRoleAnswer.safeParse(body);
  // The body is not kept as a cause: it holds credentials.
  if (!answer.success) {
    throw new AutosignError(
      'kms-unreachable',
      `AssumeRole at ${call.endpoint}: the answer has no credentials in the documented form`,
    );
  }
  const { AccessKeyId, AccessKeySecret, SecurityToken, Expiration } = answer.data.Credentials;
  return {
    accessKeyId: AccessKeyId,
    accessKeySecret: AccessKeySecret,
    securityToken: SecurityToken,
    expiration: new Date(Expiration),
  };
}

/**
 * STS GetCallerIdentity, which needs no permission: the principal that a trust policy must name, so for a session its
 * role. Undefined when STS does not say.
 */
export async function callerPrincipal(call: StsCall): Promise<string | undefined> {
  try {
    const body = await callOpenApi({ ...call, action: 'GetCallerIdentity', version, query: {} });
    const { Arn } = CallerIdentityAnswer.parse(body);
    return Arn.replace(/:assumed-role\/([^/]+)\/.*$/, ':role/$1');
  } catch {
    // It only makes another error's message clearer; that error is the one that counts.
    return undefined;
  }
}
