import { randomBytes } from 'node:crypto';
import type { Clock } from '../../src/ports/clock.ts';
import type { RoleConfig, UserConfig } from './config.ts';
import { OpenApiError } from './openapi-error.ts';
import { allows, type PolicyDocument } from './policy.ts';

/** Who sent a request. */
export interface Identity {
  /** As GetCallerIdentity says it. */
  readonly arn: string;
  readonly accountId: string;
  /** As a trust policy names it: for a session, its role. */
  readonly principalArn: string;
  /** An action must be allowed by every set: the user's or role's policies, and the session policy. */
  readonly policySets: readonly (readonly PolicyDocument[])[];
  /** Undefined for a user. */
  readonly session: { readonly expiresAtMs: number } | undefined;
}

/** An access key that a request may be signed with. */
export interface AccessKey {
  readonly secret: string;
  readonly identity: Identity;
  /** Undefined for a user's permanent key. */
  readonly session: { readonly securityToken: string; expiresAtMs: number } | undefined;
}

interface IssuedSession {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string;
  readonly expiresAtMs: number;
}

/** The access keys that count: those of the users, and those that AssumeRole gave out. */
export interface Identities {
  find(accessKeyId: string): AccessKey | undefined;
  issue(role: RoleConfig, sessionName: string, policy: PolicyDocument | undefined, lifetimeMs: number): IssuedSession;
  isOver(session: { readonly expiresAtMs: number }): boolean;
  /** Ends every session now. */
  expireSessions(): void;
}

/** @param secrets gets every secret that is given out */
export function createIdentities(users: readonly UserConfig[], clock: Clock, secrets: string[]): Identities {
  const keys = new Map<string, AccessKey>();
  for (const user of users) {
    const { arn, policies } = user;
    const identity = { arn, accountId: accountOf(arn), principalArn: arn, policySets: [policies], session: undefined };
    keys.set(user.accessKeyId, { secret: user.accessKeySecret, identity, session: undefined });
  }
  return {
    find: (accessKeyId) => keys.get(accessKeyId),
    issue(role, sessionName, policy, lifetimeMs) {
      // The service's times have whole seconds.
      const expiresAtMs = Math.floor((clock.now().getTime() + lifetimeMs) / 1000) * 1000;
      const arn = `${role.arn.replace(':role/', ':assumed-role/')}/${sessionName}`;
      const policySets = policy === undefined ? [role.policies] : [role.policies, [policy]];
      const accessKeyId = `STS.${randomBytes(12).toString('hex')}`;
      const accessKeySecret = randomBytes(30).toString('base64url');
      // Like the real one: base64, with characters that must be carried unharmed.
      const securityToken = randomBytes(600).toString('base64');
      secrets.push(accessKeySecret, securityToken);
      const session = { securityToken, expiresAtMs };
      const identity = { arn, accountId: accountOf(arn), principalArn: role.arn, policySets, session };
      keys.set(accessKeyId, { secret: accessKeySecret, identity, session });
      return { accessKeyId, accessKeySecret, securityToken, expiresAtMs };
    },
    isOver: (session) => clock.now().getTime() >= session.expiresAtMs,
    expireSessions() {
      for (const { session } of keys.values()) if (session !== undefined) session.expiresAtMs = 0;
    },
  };
}

/** The account in an ARN of RAM. */
function accountOf(arn: string): string {
  return arn.split(':')[3] ?? '';
}

/** Refuses what `identity` may not do; `code` is the product's own word for it. */
export function authorize(identity: Identity, action: string, resource: string, code: string): void {
  if (identity.policySets.every((policies) => allows(policies, action, resource))) return;
  throw new OpenApiError(
    403,
    code,
    `You are not authorized to do this operation. Action: ${action}, Resource: ${resource}`,
  );
}
