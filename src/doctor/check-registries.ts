import { isAutosignError } from '../domain/errors.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { coversNamespace, coversRepository } from '../rules/match.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import { type Check, ok, type Verdict, warning } from './check.ts';

/** One registry, reachable. */
export interface RegistryProbe {
  readonly registry: Registry;
  readonly client: Pick<RegistryClient, 'tryPush' | 'getReferrers'>;
  readonly listing: RegistryListing;
}

// An image that no registry has: whether there is an API for referrers shows itself all the same.
const noImage = `sha256:${'0'.repeat(64)}` as const;

/** Whether each registry lets us in, lets us push, and how it lists signatures. */
export function registryChecks(probes: readonly RegistryProbe[], ruleSet: RuleSet): readonly Check[] {
  return probes.map((probe) => ({
    area: 'registry',
    subject: probe.registry.name,
    run: async () => {
      const repository = await findCovered(probe, ruleSet);
      return repository === undefined ? [nothingCovered] : await lookAt(probe, repository);
    },
  }));
}

const nothingCovered = warning(
  'the login is taken, and no repository is there that a rule covers: whether we may push was not looked at',
  'Push an image to a namespace of the rules, then run this again.',
);

/** The first repository that a rule covers, which listing needs the login for. */
async function findCovered({ registry, listing }: RegistryProbe, { rules }: RuleSet): Promise<string | undefined> {
  const ours = rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(registry.name));
  const wants = (namespace: string | undefined) =>
    ours.some((rule) => (namespace === undefined ? rule.namespaces === undefined : coversNamespace(rule, namespace)));
  for await (const repository of listing.listRepositories(wants)) {
    if (ours.some((rule) => coversRepository(rule, repository))) return repository;
  }
  return undefined;
}

async function lookAt({ client, registry }: RegistryProbe, repository: string): Promise<readonly Verdict[]> {
  const where = `${registry.host}/${repository}`;
  const { cancelled } = await client.tryPush(repository);
  const pushed = ok(`we may push to ${where}${cancelled ? '' : ' (the upload was opened and could not be cancelled)'}`);
  try {
    const { supported } = await client.getReferrers(repository, noImage);
    return [pushed, supported ? ok('it has the referrers API') : ok(noReferrersApi)];
  } catch (error) {
    if (!isAutosignError(error, 'referrers-incomplete')) throw error;
    return [pushed, warning(error.message, 'See whether the registry, or a proxy before it, is in order.')];
  }
}

const noReferrersApi = 'it has no referrers API: signatures are listed under the tags sha256-…';
