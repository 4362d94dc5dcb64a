import { namespaceOf } from '../domain/image-reference.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { BackfillRun } from './backfill-run.ts';
import type { RegistryToWalk } from './reconcile.ts';
import type { BackfillSelection } from './selection.ts';
import { walkTags } from './walk-registry.ts';

export interface CountTagsOptions {
  readonly selection: BackfillSelection;
  readonly ruleSet: RuleSet;
  readonly accessTo: (registry: string) => RegistryToWalk;
  readonly run: Pick<BackfillRun, 'isWalked' | 'isLookedAt'>;
  readonly signal: AbortSignal;
}

/** What a walk has before it: tags that were not dealt with yet, and the namespaces that they are in. */
export interface TagCount {
  readonly tags: number;
  readonly namespaces: number;
}

/**
 * Counts by the lists of names alone: a request or two for each repository. What cannot be listed is left out; the walk
 * that follows tells of it.
 */
export async function countTags({ selection, ruleSet, accessTo, run, signal }: CountTagsOptions): Promise<TagCount> {
  let tags = 0;
  const namespaces = new Set<string>();
  for (const registry of selection.registries) {
    const { listing } = accessTo(registry);
    const rules = ruleSet.rules.filter((rule) => rule.registries.includes(registry));
    const passOver = (repository: string) => selection.passOver(repository) || run.isWalked(registry, repository);
    try {
      for await (const tag of walkTags({ listing, rules, passOver, signal, onUnlisted: () => undefined })) {
        if (run.isLookedAt({ registry, ...tag })) continue;
        tags += 1;
        namespaces.add(`${registry}/${namespaceOf(tag.repository) ?? ''}`);
      }
    } catch {
      signal.throwIfAborted();
    }
  }
  return { tags, namespaces: namespaces.size };
}
