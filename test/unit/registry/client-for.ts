import type { RegistryCredentials } from '../../../src/ports/registry-login.ts';
import { createRegistryClient, type RegistryClient } from '../../../src/registry/registry-client.ts';
import type { RegistryLimits } from '../../../src/registry/registry-limits.ts';

export const credentials: RegistryCredentials = { username: 'robot', password: 'pässword-that-must-not-leak' };
export const basicHeader = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;

export interface ClientSettings {
  readonly realms?: readonly string[];
  readonly login?: RegistryCredentials | undefined;
  readonly limits?: Partial<RegistryLimits>;
  readonly now?: () => Date;
}

/** A client of a server on loopback; closed by whoever made it. */
export function clientFor(
  host: string,
  { realms = [], login, limits = {}, now }: ClientSettings = {},
): RegistryClient & AsyncDisposable {
  const client = createRegistryClient({
    registry: { host, plainHttp: true, realms },
    login: { credentials: async () => login },
    userAgent: 'acr-autosign/test',
    limits,
    clock: now === undefined ? undefined : { now },
  });
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}
