import { isAutosignError } from '../domain/errors.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type Check, ok, type Verdict, warning } from './check.ts';
import { type CoveredRepositories, findCovered, hasReferrersApi } from './covered-repository.ts';

/** One registry, reachable. */
export interface RegistryProbe extends CoveredRepositories {
  readonly client: Pick<RegistryClient, 'tryPush' | 'getReferrers'>;
}

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

async function lookAt({ client, registry }: RegistryProbe, repository: string): Promise<readonly Verdict[]> {
  const where = `${registry.host}/${repository}`;
  const { cancelled } = await client.tryPush(repository);
  const pushed = ok(`we may push to ${where}${cancelled ? '' : ' (the upload was opened and could not be cancelled)'}`);
  try {
    return [pushed, (await hasReferrersApi(client, repository)) ? ok('it has the referrers API') : ok(noReferrersApi)];
  } catch (error) {
    if (!isAutosignError(error, 'referrers-incomplete')) throw error;
    return [pushed, warning(error.message, 'See whether the registry, or a proxy before it, is in order.')];
  }
}

const noReferrersApi = 'it has no referrers API: signatures are listed under the tags sha256-…';
