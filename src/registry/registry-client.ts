import type { Dispatcher } from 'undici';
import { type Clock, systemClock } from '../ports/clock.ts';
import type { RegistryLogin } from '../ports/registry-login.ts';
import type { Registry } from '../rules/rule-set.ts';
import { createAuthorizedSender } from './authorization.ts';
import { type BlobOperations, createBlobs } from './blobs.ts';
import { createListings, type ListingOperations } from './listings.ts';
import { createManifests, type ManifestOperations } from './manifests.ts';
import { createReferrers, type ReferrersOperations } from './referrers.ts';
import { type RegistryLimits, registryLimits } from './registry-limits.ts';
import { createProbe, type ProbeOperations } from './registry-probe.ts';
import { createTransport } from './transport.ts';

/**
 * What we need of the OCI distribution API (distribution-spec, spec.md), for one registry. Credentials go to the
 * registry's own host and to its configured token realms only.
 *
 * Any operation may throw AutosignError `registry-denied`, `registry-login-refused`, `registry-throttled`,
 * `registry-unreachable`, `registry-protocol`, `host-refused`, and whatever the login throws; an aborted `signal`
 * rejects with its reason.
 */
export interface RegistryClient
  extends ManifestOperations,
    BlobOperations,
    ReferrersOperations,
    ListingOperations,
    ProbeOperations {
  /** As configured: host, with port when it is not 443. */
  readonly host: string;
  close(): Promise<void>;
}

export interface RegistryClientOptions {
  readonly registry: Pick<Registry, 'host' | 'plainHttp' | 'realms'> & Partial<Pick<Registry, 'acr'>>;
  readonly login: RegistryLogin;
  readonly userAgent: string;
  readonly limits?: Partial<RegistryLimits> | undefined;
  readonly clock?: Clock | undefined;
  /** The connections to use, which stay open when the client is closed; its own when absent. */
  readonly dispatcher?: Dispatcher | undefined;
}

/** Connects lazily: nothing is sent before the first operation. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { registry, login, userAgent, dispatcher } = options;
  const limits = { ...registryLimits, ...options.limits };
  const clock = options.clock ?? systemClock;
  const transport = createTransport({ limits, userAgent, clock, dispatcher });
  const send = createAuthorizedSender({ registry, login, transport, limits, clock });
  const origin = new URL(`${registry.plainHttp ? 'http' : 'https'}://${registry.host}`);
  const context = { host: registry.host, origin, limits, send, sendUnauthorized: transport.send };
  return {
    host: registry.host,
    ...createManifests(context),
    ...createBlobs(context),
    ...createReferrers(context),
    ...createListings(context),
    ...createProbe(context),
    close: transport.close,
  };
}
