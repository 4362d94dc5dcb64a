import type { Digest } from '../domain/digest.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { coversNamespace, coversRepository } from '../rules/match.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';

/** A registry and what it holds. */
export interface CoveredRepositories {
  readonly registry: Registry;
  readonly listing: RegistryListing;
}

// An image that no registry has: whether there is an API for referrers shows itself all the same.
const noImage: Digest = `sha256:${'0'.repeat(64)}`;

/** The first repository that a rule covers, which listing needs the login for. */
export async function findCovered(
  { registry, listing }: CoveredRepositories,
  { rules }: Pick<RuleSet, 'rules'>,
): Promise<string | undefined> {
  const ours = rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(registry.name));
  const wants = (namespace: string | undefined) =>
    ours.some((rule) => (namespace === undefined ? rule.namespaces === undefined : coversNamespace(rule, namespace)));
  for await (const repository of listing.listRepositories(wants)) {
    if (ours.some((rule) => coversRepository(rule, repository))) return repository;
  }
  return undefined;
}

/** Whether the registry lists signatures by the referrers API. Throws as `getReferrers`. */
export async function hasReferrersApi(
  client: Pick<RegistryClient, 'getReferrers'>,
  repository: string,
): Promise<boolean> {
  return (await client.getReferrers(repository, noImage)).supported;
}
