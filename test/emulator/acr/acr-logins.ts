import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Identity } from '../identities.ts';
import type { MoreLogins } from '../token-service.ts';
import type { AcrInstance } from './acr-instance.ts';
import { mayAccess } from './acr-ram.ts';

/** The user name of every login that GetAuthorizationToken gives out; the password alone tells them apart. */
const tempUsername = 'cr_temp_user';

interface TempLogin {
  readonly instance: AcrInstance;
  readonly identity: Identity;
  expiresAtMs: number;
}

/** The logins that GetAuthorizationToken gave out, as the token service takes them. */
export interface AcrLogins extends MoreLogins {
  /** @returns `TempUsername` and `AuthorizationToken` */
  issue(instance: AcrInstance, identity: Identity, expiresAtMs: number): { username: string; password: string };
  /** Ends every login now. */
  expireAll(): void;
}

/** @param secrets gets every password that is given out */
export function createAcrLogins(
  clock: Clock,
  instances: ReadonlyMap<string, AcrInstance>,
  secrets: string[],
): AcrLogins {
  const logins = new Map<string, TempLogin>();

  function find(username: string, password: string): TempLogin | undefined {
    const login = username === tempUsername ? logins.get(password) : undefined;
    return login !== undefined && clock.now().getTime() < login.expiresAtMs ? login : undefined;
  }

  function instanceBehind(service: string): AcrInstance | undefined {
    return [...instances.values()].find((instance) => instance.service === service);
  }

  return {
    issue(instance, identity, expiresAtMs) {
      // Long, and base64 with characters that must be carried unharmed.
      const password = randomBytes(240).toString('base64');
      secrets.push(password);
      logins.set(password, { instance, identity, expiresAtMs });
      return { username: tempUsername, password };
    },
    expireAll() {
      for (const login of logins.values()) login.expiresAtMs = 0;
    },
    hasService: (service) => instanceBehind(service) !== undefined,
    callerOf: (username, password) => find(username, password)?.identity.arn,
    permits(given, { service, repository, action }) {
      const instance = instanceBehind(service);
      // Inferred: below a namespace that is not there nobody may do anything.
      if (instance === undefined || !instance.hasNamespaceOf(repository)) return false;
      if (action === 'pull' && instance.isPublic(repository)) return true;
      const login = given && find(...given);
      return (
        login?.instance.instanceId === instance.instanceId && mayAccess(login.identity, action, instance, repository)
      );
    },
  };
}
