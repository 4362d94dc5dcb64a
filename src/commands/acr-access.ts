import { type AcrApi, createAcrApi } from '../alibaba/acr-api.ts';
import { createAcrListing } from '../alibaba/acr-listing.ts';
import { createAcrLogin } from '../alibaba/acr-login.ts';
import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import { createRoleChain } from '../alibaba/role-chain.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import type { Clock } from '../ports/clock.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { RegistryLogin } from '../ports/registry-login.ts';
import type { AcrSource } from '../rules/rule-set.ts';

/** How long one call to STS may take. */
const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 10_000 };
/** What every role allows unless its longest session was lowered. */
const sessionSeconds = 3600;

export interface AcrAccessOptions {
  /** The process's own identity; the default chain when absent. */
  readonly base: CredentialsSource | undefined;
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
  const { base = createBaseCredentials() } = options;
  const api = openAcrApi(source, { ...options, base });
  return { login: createAcrLogin({ api, clock: options.clock }), listing: createAcrListing(api) };
}

/** The OpenAPI of an instance, by the identity that the registry is used with. */
export function openAcrApi(
  source: AcrSource,
  { base, clock, sessionPolicy }: AcrAccessOptions & { readonly base: CredentialsSource },
): AcrApi {
  const { instanceId, endpoint, role, stsEndpoint } = source;
  const credentials =
    role === undefined || sessionPolicy === undefined
      ? base
      : createRoleChain({ base, via: [], role, policy: sessionPolicy, sessionSeconds, stsEndpoint, clock, timeouts });
  return createAcrApi({ instanceId, endpoint, credentials });
}
