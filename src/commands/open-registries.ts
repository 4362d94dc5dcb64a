import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import { AutosignError } from '../domain/errors.ts';
import { version } from '../domain/version.ts';
import { type Clock, systemClock } from '../ports/clock.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { RegistryLogin } from '../ports/registry-login.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import { createOciListing } from '../registry/oci-listing.ts';
import { createRegistryClient, type RegistryClient } from '../registry/registry-client.ts';
import { createSignatureStores } from '../registry/signature-stores.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import type { Desired, RegistryAccess } from '../worker/desired.ts';
import { sessionPolicyOf } from './acr-session.ts';
import { lazyAcrAccess } from './lazy-acr-access.ts';
import { isSameEntry } from './same-entry.ts';

export interface OpenRegistryOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The process's own identity at Alibaba Cloud; the default chain unless it is given. */
  readonly base?: CredentialsSource | undefined;
  readonly clock?: Clock | undefined;
  /** What an instance's role may do; what these rules need unless it is given. */
  readonly sessionPolicy?: string | undefined;
}

/**
 * Opens a client for one registry of the rules. A password comes from the variable that the rules file names, when it is
 * needed; the login of an ACR instance from its OpenAPI.
 */
export function openRegistry(registry: Registry, ruleSet: RuleSet, options: OpenRegistryOptions): RegistryClient {
  return openWithListing(registry, ruleSet, options).client;
}

/**
 * Opens every registry of the rules; one whose entry has not changed, nor what its role is to do, stays open. Nothing
 * is sent before the first image.
 */
export function openRegistries(
  ruleSet: RuleSet,
  before: Pick<Desired, 'ruleSet' | 'registries'> | undefined,
  { lock, ...options }: OpenRegistryOptions & { readonly lock: SubjectLock },
): ReadonlyMap<string, RegistryAccess> {
  const open = (registry: Registry): RegistryAccess => {
    const known = before?.registries.get(registry.name);
    if (before !== undefined && known !== undefined && isSameEntry(known.registry, registry)) {
      const isAsNarrow = sessionPolicyOf(registry, before.ruleSet) === sessionPolicyOf(registry, ruleSet);
      if (isAsNarrow) return { ...known, registry };
    }
    const { client, listing } = openWithListing(registry, ruleSet, options);
    const lockName = (repository: string, subject: string) => `${registry.identityHost}/${repository}@${subject}`;
    return { registry, client, listing, stores: createSignatureStores({ client, lock, lockName }) };
  };
  return new Map([...ruleSet.registries.values()].map((registry) => [registry.name, open(registry)]));
}

function openWithListing(
  registry: Registry,
  ruleSet: RuleSet,
  { env, base, clock = systemClock, ...options }: OpenRegistryOptions,
): { readonly client: RegistryClient; readonly listing: RegistryListing } {
  const open = (login: RegistryLogin) =>
    createRegistryClient({ registry, login, userAgent: `acr-autosign/${version}`, clock });
  if (registry.acr === undefined) {
    const client = open(loginOf(registry, env));
    return { client, listing: createOciListing(client) };
  }
  const sessionPolicy = options.sessionPolicy ?? sessionPolicyOf(registry, ruleSet);
  const { login, listing } = lazyAcrAccess(registry.acr, { base, clock, sessionPolicy });
  return { client: open(login), listing };
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
