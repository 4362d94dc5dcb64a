import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import { type BackfillRegistryOptions, backfillRegistry } from './backfill-registry.ts';
import type { RegistryToWalk } from './reconcile.ts';
import type { BackfillSelection } from './selection.ts';

export interface WalkSelectionOptions extends Omit<BackfillRegistryOptions, 'access' | 'mayTake' | 'since'> {
  readonly selection: BackfillSelection;
  readonly accessTo: (registry: string) => RegistryToWalk;
  /** Images to queue, those of earlier processes of the run included; undefined: all. */
  readonly limit: number | undefined;
}

/**
 * Walks the chosen registries one after the other, until all are through, the limit is reached, or `stop` is aborted.
 * A registry that cannot be walked to its end does not keep the others from being walked.
 * @returns why registries could not be walked
 * @throws AutosignError `redis-unreachable`; the reason of `signal` once it is aborted
 */
export async function walkSelection(options: WalkSelectionOptions): Promise<readonly AutosignError[]> {
  const { selection, accessTo, run, tell, limit = Number.POSITIVE_INFINITY, signal } = options;
  const errors: AutosignError[] = [];
  const enough = new AbortController();
  let left = limit - run.progress().queued;
  const mayTake = () => {
    left -= 1;
    if (left <= 0) enough.abort();
    return left >= 0;
  };
  if (left <= 0) return errors;
  const stop = AbortSignal.any([options.stop, enough.signal]);
  for (const registry of selection.registries) {
    if (stop.aborted) break;
    try {
      await backfillRegistry({ ...options, access: accessTo(registry), since: run.since, mayTake, stop });
    } catch (error) {
      signal.throwIfAborted();
      if (!isAutosignError(error) || error.scope === 'process') throw error;
      errors.push(error);
      tell({ step: 'broken-off', registry, reason: error.message });
    }
  }
  return errors;
}
