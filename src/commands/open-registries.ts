import { AutosignError } from '../domain/errors.ts';
import { version } from '../domain/version.ts';
import type { RegistryLogin } from '../ports/registry-login.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import { createRegistryClient, type RegistryClient } from '../registry/registry-client.ts';
import { createSignatureStores } from '../registry/signature-stores.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import type { RegistryAccess } from '../worker/desired.ts';
import { isSameEntry } from './same-entry.ts';

/** Opens a client for one registry; its password comes from the variable that the rules file names, when it is needed. */
export function openRegistry(registry: Registry, env: NodeJS.ProcessEnv): RegistryClient {
  return createRegistryClient({ registry, login: loginOf(registry, env), userAgent: `acr-autosign/${version}` });
}

/**
 * Opens every registry of the rules; one whose entry has not changed stays open. Nothing is sent before the first
 * image.
 */
export function openRegistries(
  { registries }: RuleSet,
  before: ReadonlyMap<string, RegistryAccess>,
  { lock, env }: { readonly lock: SubjectLock; readonly env: NodeJS.ProcessEnv },
): ReadonlyMap<string, RegistryAccess> {
  const open = (registry: Registry): RegistryAccess => {
    const known = before.get(registry.name);
    if (known !== undefined && isSameEntry(known.registry, registry)) return { ...known, registry };
    const client = openRegistry(registry, env);
    const lockName = (repository: string, subject: string) => `${registry.identityHost}/${repository}@${subject}`;
    return { registry, client, stores: createSignatureStores({ client, lock, lockName }) };
  };
  return new Map([...registries.values()].map((registry) => [registry.name, open(registry)]));
}

function loginOf({ name, login }: Registry, env: NodeJS.ProcessEnv): RegistryLogin {
  return {
    credentials: async () => {
      if (login === undefined) return undefined;
      const password = env[login.passwordEnv];
      if (password !== undefined && password !== '') return { username: login.username, password };
      throw new AutosignError(
        'registry-login-refused',
        `Registry ${name}: the variable ${login.passwordEnv} is not set; put the password of ${login.username} there.`,
      );
    },
  };
}
