import type { RegistryCredentials, RegistryLogin } from '../../../src/ports/registry-login.ts';
import { createRegistryClient, type RegistryClient } from '../../../src/registry/registry-client.ts';
import type { RegistryLimits } from '../../../src/registry/registry-limits.ts';
import type { Registry } from '../../../src/rules/rule-set.ts';

export const credentials: RegistryCredentials = { username: 'robot', password: 'pässword-that-must-not-leak' };
export const basicHeader = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;

export interface ClientSettings {
  readonly acr?: Registry['acr'];
  readonly realms?: readonly string[];
  /** Credentials that stay the same, or where they come from. */
  readonly login?: RegistryCredentials | RegistryLogin | undefined;
  readonly limits?: Partial<RegistryLimits>;
  readonly now?: () => Date;
}

/** A client of a server on loopback; closed by whoever made it. */
export function clientFor(
  host: string,
  { acr, realms = [], login, limits = {}, now }: ClientSettings = {},
): RegistryClient & AsyncDisposable {
  const client = createRegistryClient({
    registry: { host, plainHttp: true, realms, acr },
    login: login !== undefined && 'credentials' in login ? login : { credentials: async () => login },
    userAgent: 'acr-autosign/test',
    limits,
    clock: now === undefined ? undefined : { now },
  });
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}
