import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { alibabaCodeOf, type OpenApiTimeouts } from './call-openapi.ts';
import { createRenewedSecret, type RenewalMargins, type SecretWithEnd } from './renewed-secret.ts';
import { assumeRole, callerPrincipal, type RoleRequest } from './sts.ts';
import type { CredentialsSource, StsCredentials } from './sts-credentials.ts';

export interface AssumedRoleOptions extends RoleRequest {
  /** The identity that assumes the role. */
  readonly base: CredentialsSource;
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly stsEndpoint: string;
  readonly clock: Clock;
  readonly timeouts: OpenApiTimeouts;
  /** When the session is renewed; `renewalMargins` unless it is given. */
  readonly margins?: RenewalMargins | undefined;
}

/**
 * The credentials of an assumed role: it is assumed when they are first needed and again before they end, by one call to
 * STS for all callers. Roles are chained by giving one as another's `base`.
 */
export function createAssumedRole(options: AssumedRoleOptions): CredentialsSource {
  const session = createRenewedSecret({
    what: `credentials for ${options.roleArn}`,
    request: () => requestSession(options),
    clock: options.clock,
    margins: options.margins,
  });
  return { credentials: session.get, forget: session.forget };
}

async function requestSession(options: AssumedRoleOptions): Promise<SecretWithEnd<StsCredentials>> {
  const { base, clock, durationSeconds } = options;
  const baseCredentials = await base.credentials();
  const call = { endpoint: options.stsEndpoint, credentials: baseCredentials, timeouts: options.timeouts };
  const askedAtMs = clock.now().getTime();
  let value: StsCredentials;
  try {
    value = await assumeRole(call, options);
  } catch (error) {
    // STS does not take the base's credentials: whoever gave them must look for others.
    if (isAutosignError(error, 'credentials-missing')) base.forget(baseCredentials);
    const code = isAutosignError(error, 'role-refused') ? alibabaCodeOf(error) : undefined;
    if (!isAutosignError(error) || (code !== 'NoPermission' && code !== 'EntityNotExist.Role')) throw error;
    throw explainRefusal(error, options, await callerPrincipal(call));
  }
  // A clock of ours that is slow must not stretch the session: it ends at the earlier of STS's word and what was asked for.
  const expiresAtMs = Math.min(
    value.expiration?.getTime() ?? Number.POSITIVE_INFINITY,
    askedAtMs + durationSeconds * 1000,
  );
  return { value, expiresAtMs };
}

/**
 * The role that ACR's documentation has users create trusts cr.aliyuncs.com alone
 * (https://help.aliyun.com/document_detail/159642.html), so the message holds the statement to add.
 */
function explainRefusal(
  error: AutosignError,
  options: AssumedRoleOptions,
  principal: string | undefined,
): AutosignError {
  const statement = {
    Action: 'sts:AssumeRole',
    Effect: 'Allow',
    Principal: { RAM: [principal ?? "<ARN of the worker's own RAM user or role>"] },
    ...(options.externalId === undefined
      ? {}
      : { Condition: { StringEquals: { 'sts:ExternalId': '<the externalId of the rules file>' } } }),
  };
  return new AutosignError(
    'role-refused',
    `${error.message} To let this worker assume ${options.roleArn}, add to the role's trust policy, beside what is there: ${JSON.stringify(statement)}`,
    { cause: error, requestId: error.requestId },
  );
}
