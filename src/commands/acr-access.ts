import { type AcrApi, createAcrApi } from '../alibaba/acr-api.ts';
import { createAcrListing } from '../alibaba/acr-listing.ts';
import { createAcrLogin } from '../alibaba/acr-login.ts';
import { acrSessionPolicy } from '../alibaba/acr-session-policy.ts';
import { createRoleChain } from '../alibaba/role-chain.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import type { Clock } from '../ports/clock.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { RegistryLogin } from '../ports/registry-login.ts';
import type { AcrSource, Registry, RuleSet } from '../rules/rule-set.ts';

/** How long one call to STS may take. */
const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };
/** What every role allows unless its longest session was lowered. */
const sessionSeconds = 3600;

export interface AcrAccessOptions {
  /** The process's own identity. */
  readonly base: CredentialsSource;
  readonly clock: Clock;
  /** What the role's session may do; undefined where there is no role. */
  readonly sessionPolicy: string | undefined;
}

/** The login of an ACR instance, and what it holds. Nothing is asked before the first use. */
export interface AcrAccess {
  readonly login: RegistryLogin;
  readonly listing: RegistryListing;
}

export function openAcrAccess(source: AcrSource, options: AcrAccessOptions): AcrAccess {
  const api = openAcrApi(source, options);
  return { login: createAcrLogin({ api, clock: options.clock }), listing: createAcrListing(api) };
}

/** The OpenAPI of an instance, by the identity that the registry is used with. */
export function openAcrApi(source: AcrSource, { base, clock, sessionPolicy }: AcrAccessOptions): AcrApi {
  const { instanceId, endpoint, role, stsEndpoint } = source;
  const credentials =
    role === undefined || sessionPolicy === undefined
      ? base
      : createRoleChain({ base, via: [], role, policy: sessionPolicy, sessionSeconds, stsEndpoint, clock, timeouts });
  return createAcrApi({ instanceId, endpoint, credentials });
}

/** What the session of a registry's role is narrowed to by these rules; undefined for a registry without a role. */
export function sessionPolicyOf({ name, acr }: Pick<Registry, 'name' | 'acr'>, ruleSet: RuleSet): string | undefined {
  if (acr?.role === undefined) return undefined;
  return acrSessionPolicy({ source: acr, roleArn: acr.role.roleArn, namespaces: namespacesOf(name, ruleSet) });
}

/** The patterns of the namespaces that rules select in a registry; undefined when one of them selects all. */
function namespacesOf(registry: string, { rules }: RuleSet): readonly string[] | undefined {
  const using = rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(registry));
  if (using.length === 0 || using.some((rule) => rule.namespaces === undefined)) return undefined;
  const patterns = using.flatMap((rule) => rule.namespaces?.include ?? []);
  const names = [...new Set(patterns.map((pattern) => pattern.replaceAll(/\*+/g, '*')))].sort();
  return names.includes('*') ? undefined : names;
}
