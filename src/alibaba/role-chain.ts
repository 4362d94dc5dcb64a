import type { Clock } from '../ports/clock.ts';
import { createAssumedRole } from './assumed-role.ts';
import type { OpenApiTimeouts } from './call-openapi.ts';
import type { RenewalMargins } from './renewed-secret.ts';
import type { CredentialsSource } from './sts-credentials.ts';

/** A role, and the word that its trust policy may ask for. */
interface Role {
  /** `acs:ram::<account>:role/<name>` */
  readonly roleArn: string;
  readonly externalId: string | undefined;
}

export interface RoleChainOptions {
  /** The identity that assumes the first role. */
  readonly base: CredentialsSource;
  /** Roles on the way, in the order in which they are assumed; none for a role that trusts the base itself. */
  readonly via: readonly Role[];
  /** The role whose credentials are wanted. */
  readonly role: Role;
  /** Session policy of the last session, JSON. */
  readonly policy: string;
  readonly sessionSeconds: number;
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly stsEndpoint: string;
  readonly clock: Clock;
  readonly timeouts: OpenApiTimeouts;
  /** As in `AssumedRoleOptions`, for every session of the chain. */
  readonly margins?: RenewalMargins | undefined;
}

/** RAM's limits of a session's name: 2 to 32 of letters, digits and `.@-_`. */
const sessionName = 'acr-autosign';

/**
 * The credentials of a role that is reached over others, which is how a role of another account is: each session on the
 * way may assume the next role and nothing else, is held for itself, and is renewed before it ends.
 */
export function createRoleChain({
  base,
  via,
  role,
  policy,
  sessionSeconds,
  ...shared
}: RoleChainOptions): CredentialsSource {
  const assume = (from: CredentialsSource, { roleArn, externalId }: Role, sessionPolicy: string) =>
    createAssumedRole({
      ...shared,
      base: from,
      roleArn,
      externalId,
      sessionName,
      policy: sessionPolicy,
      durationSeconds: sessionSeconds,
    });
  const last = via.reduce((from, hop, index) => assume(from, hop, hopPolicy(via[index + 1] ?? role)), base);
  return assume(last, role, policy);
}

function hopPolicy(next: Role): string {
  return JSON.stringify({
    Version: '1',
    Statement: [{ Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: [next.roleArn] }],
  });
}
