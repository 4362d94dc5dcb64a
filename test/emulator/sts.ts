import type { CheckedConfig } from './config.ts';
import { authorize, type Identities, type Identity } from './identities.ts';
import { lifetimeMs } from './lifetime.ts';
import { OpenApiError, requireParameter } from './openapi-error.ts';
import { PolicyDocument, trusts } from './policy.ts';
import type { Product } from './product.ts';

/** RAM's limits on AssumeRole; the smaller one where its documentation has had two. */
const policyBytesMax = 1024;
const durationSecondsMin = 900;
const durationSecondsDefault = 3600;

/** STS 2015-04-01: AssumeRole and GetCallerIdentity. */
export function createSts(config: CheckedConfig, identities: Identities): Product {
  return (action, query, identity) => {
    switch (action) {
      case 'AssumeRole':
        return assumeRole(config, identities, query, identity);
      case 'GetCallerIdentity':
        return { AccountId: identity.accountId, Arn: identity.arn };
      default:
        throw new OpenApiError(404, 'InvalidAction.NotFound', `Specified api is not found: ${action}`);
    }
  };
}

function assumeRole(
  config: CheckedConfig,
  identities: Identities,
  query: URLSearchParams,
  caller: Identity,
): Record<string, unknown> {
  const roleArn = requireParameter(query, 'RoleArn');
  const sessionName = requireParameter(query, 'RoleSessionName');
  const externalId = query.get('ExternalId') ?? undefined;
  if (!/^acs:ram::\d+:role\/[\w.-]+$/.test(roleArn)) throw invalid('RoleArn');
  if (!/^[\w.@-]{2,32}$/.test(sessionName)) throw invalid('RoleSessionName');
  const policy = sessionPolicy(query.get('Policy'));
  authorize(caller, 'sts:AssumeRole', roleArn, 'NoPermission');
  const role = config.roles.find((candidate) => candidate.arn === roleArn);
  if (role === undefined) throw new OpenApiError(404, 'EntityNotExist.Role', 'The specified role does not exist.');
  if (!trusts(role.trustPolicy, caller.principalArn, externalId)) {
    throw new OpenApiError(
      403,
      'NoPermission',
      'You are not authorized to do this action. You should be authorized by RAM.',
    );
  }
  const seconds = Number(query.get('DurationSeconds') ?? durationSecondsDefault);
  if (!Number.isInteger(seconds) || seconds < durationSecondsMin || seconds > role.maxSessionSeconds)
    throw invalid('DurationSeconds');
  const session = identities.issue(role, sessionName, policy, lifetimeMs(config, seconds));
  return {
    AssumedRoleUser: {
      Arn: `${roleArn.replace(':role/', ':assumed-role/')}/${sessionName}`,
      AssumedRoleId: `3${'0'.repeat(17)}:${sessionName}`,
    },
    Credentials: {
      AccessKeyId: session.accessKeyId,
      AccessKeySecret: session.accessKeySecret,
      SecurityToken: session.securityToken,
      Expiration: new Date(session.expiresAtMs).toISOString().replace('.000Z', 'Z'),
    },
  };
}

function sessionPolicy(text: string | null): PolicyDocument | undefined {
  if (text === null) return undefined;
  if (Buffer.byteLength(text) > policyBytesMax) throw invalid('PolicySize');
  try {
    return PolicyDocument.parse(JSON.parse(text));
  } catch {
    throw invalid('PolicyGrammar');
  }
}

function invalid(what: string): OpenApiError {
  return new OpenApiError(400, `InvalidParameter.${what}`, `The parameter ${what} is invalid.`);
}
