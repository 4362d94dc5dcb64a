import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { alibabaCodeOf, type OpenApiTimeouts } from './call-openapi.ts';
import { assumeRole, callerPrincipal, type RoleRequest } from './sts.ts';
import type { CredentialsSource, StsCredentials } from './sts-credentials.ts';

export interface AssumedRoleOptions extends RoleRequest {
  /** The identity that assumes the role. */
  readonly base: CredentialsSource;
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly stsEndpoint: string;
  readonly clock: Clock;
  readonly timeouts: OpenApiTimeouts;
}

/** The credentials of an assumed role. */
export interface AssumedRole extends CredentialsSource {
  /** Drops `refused`, which a service would not take, so that the next caller gets new ones. */
  forget(refused: StsCredentials): void;
}

interface Held {
  readonly credentials: StsCredentials;
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

/** Credentials are not handed out in their last minute: the call they are for must arrive while they count. */
const lastMinuteMs = 60_000;
/** Renewal begins with a third of the life left: minutes of STS being down go unnoticed. */
const lifeLeftAtRenewal = 1 / 3;
/** A failed renewal in the background is tried again after this long, so that a broken STS is not asked at every signature. */
const renewalPauseMs = 30_000;

/**
 * Assumes a role when credentials are first needed and again before they end: concurrent callers share one call to STS,
 * renewal holds up nobody while the old ones count, and a failed try is not remembered.
 */
export function createAssumedRole(options: AssumedRoleOptions): AssumedRole {
  let held: Held | undefined;
  let inFlight: Promise<StsCredentials> | undefined;
  let quietUntilMs = 0;

  function acquire(): Promise<StsCredentials> {
    inFlight ??= requestSession(options)
      .then((session) => {
        held = session;
        return session.credentials;
      })
      .finally(() => {
        inFlight = undefined;
      });
    return inFlight;
  }

  function renewInBackground(nowMs: number): void {
    quietUntilMs = nowMs + renewalPauseMs;
    // The failure shows itself when the held credentials end and a caller waits for the next try.
    acquire().catch(() => undefined);
  }

  return {
    async credentials() {
      const nowMs = options.clock.now().getTime();
      if (held === undefined || nowMs >= held.endsAtMs) return acquire();
      const { credentials } = held;
      if (nowMs >= held.renewAtMs && nowMs >= quietUntilMs) renewInBackground(nowMs);
      return credentials;
    },
    forget(refused) {
      if (held?.credentials === refused) held = undefined;
    },
  };
}

async function requestSession(options: AssumedRoleOptions): Promise<Held> {
  const call = {
    endpoint: options.stsEndpoint,
    credentials: await options.base.credentials(),
    timeouts: options.timeouts,
  };
  const askedAtMs = options.clock.now().getTime();
  let credentials: StsCredentials;
  try {
    credentials = await assumeRole(call, options);
  } catch (error) {
    const code = isAutosignError(error, 'role-refused') ? alibabaCodeOf(error) : undefined;
    if (!isAutosignError(error) || (code !== 'NoPermission' && code !== 'EntityNotExist.Role')) throw error;
    throw explainRefusal(error, options, await callerPrincipal(call));
  }
  // A clock of ours that is slow must not stretch the session: it ends at the earlier of STS's word and what was asked for.
  const endsAtMs =
    Math.min(
      credentials.expiration?.getTime() ?? Number.POSITIVE_INFINITY,
      askedAtMs + options.durationSeconds * 1000,
    ) - lastMinuteMs;
  if (endsAtMs <= options.clock.now().getTime()) {
    throw new AutosignError(
      'credentials-missing',
      `STS gave credentials for ${options.roleArn} that are over already. Check this machine's clock.`,
    );
  }
  return { credentials, endsAtMs, renewAtMs: endsAtMs - (endsAtMs - askedAtMs) * lifeLeftAtRenewal };
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
      : { Condition: { StringEquals: { 'sts:ExternalId': "<the key's externalId>" } } }),
  };
  return new AutosignError(
    'role-refused',
    `${error.message} To let this worker assume ${options.roleArn}, add to the role's trust policy, beside what is there: ${JSON.stringify(statement)}`,
    { cause: error },
  );
}
