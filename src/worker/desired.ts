import type { RegistryListing } from '../ports/registry-listing.ts';
import type { SignatureStores } from '../ports/signature-store.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import type { KeyRing } from '../signing/signing-key.ts';

/** One registry, reachable. */
export interface RegistryAccess {
  readonly registry: Registry;
  readonly client: RegistryClient;
  readonly listing: RegistryListing;
  readonly stores: SignatureStores;
}

/** What is demanded at one moment: rules with the keys and registries they name. Replaced as a whole. */
export interface Desired {
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly registries: ReadonlyMap<string, RegistryAccess>;
}
