import { z } from 'zod';
import type { Clock } from '../ports/clock.ts';
import type { RegistryCredentials, RegistryLogin } from '../ports/registry-login.ts';
import type { AcrApi } from './acr-api.ts';
import { registryFailureOf } from './acr-failures.ts';
import { createRenewedSecret, type RenewalMargins, type SecretWithEnd } from './renewed-secret.ts';

export interface AcrLoginOptions {
  readonly api: AcrApi;
  readonly clock: Clock;
  /** When the login is renewed; `renewalMargins` unless it is given. */
  readonly margins?: RenewalMargins | undefined;
}

/** What is asked for without naming a time lasts an hour, or as long as the session that asks. */
const lifetimeMsMax = 3600 * 1000;

const Token = z.object({
  TempUsername: z.string().min(1),
  AuthorizationToken: z.string().min(1),
  /** Milliseconds since 1970. */
  ExpireTime: z.coerce.number().int().positive(),
});

/**
 * The login of an instance by GetAuthorizationToken: a user name and a password with the rights of the identity that
 * asks. One call for all callers, renewed before `ExpireTime`; one that is over is never handed out.
 */
export function createAcrLogin({ api, clock, margins }: AcrLoginOptions): RegistryLogin {
  const login = createRenewedSecret({
    what: `a login for ${api.instanceId}`,
    request: () => requestLogin(api, clock),
    clock,
    margins,
  });
  return {
    credentials: async () => {
      try {
        return await login.get();
      } catch (error) {
        throw registryFailureOf(error);
      }
    },
    forget: login.forget,
  };
}

async function requestLogin(api: AcrApi, clock: Clock): Promise<SecretWithEnd<RegistryCredentials>> {
  const askedAtMs = clock.now().getTime();
  const { TempUsername, AuthorizationToken, ExpireTime } = await api.call('GetAuthorizationToken', Token);
  const value = { username: TempUsername, password: AuthorizationToken };
  // A clock of ours that is slow must not stretch it.
  return { value, expiresAtMs: Math.min(ExpireTime, askedAtMs + lifetimeMsMax) };
}
