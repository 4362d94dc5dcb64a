import { namespaceOf } from '../domain/image-reference.ts';
import type { TaggedImage } from '../ports/baseline.ts';
import type { Tell } from './backfill-event.ts';
import { nameOfImage } from './backfill-image.ts';
import type { BackfillRun } from './backfill-run.ts';
import { type LookAtImageOptions, type Looked, lookAtImage } from './look-at-image.ts';
import { type FailedLook, lookAtTags } from './look-at-tags.ts';
import type { BackfillSelection } from './selection.ts';
import type { NamedTag } from './walk-registry.ts';

export interface BackfillRegistryOptions extends LookAtImageOptions {
  readonly selection: Pick<BackfillSelection, 'passOver'>;
  readonly run: BackfillRun;
  readonly tell: Tell;
  /** Tags looked at at once. */
  readonly concurrency: number;
  /** Ends the walk after the batch that is under way; then nothing is thrown. */
  readonly stop: AbortSignal;
}

/**
 * Walks one registry and has those images signed that lack a signature of the chosen rules; what an earlier process of
 * the run has dealt with is left out.
 * @throws AutosignError when the registry or its catalogue cannot be walked to the end, `redis-unreachable`; the
 * reason of `signal` once it is aborted
 */
export async function backfillRegistry(options: BackfillRegistryOptions): Promise<void> {
  const { access, ruleSet, selection, run, tell, concurrency, signal, stop } = options;
  const registry = access.registry.name;
  const imageOf = ({ repository, tag }: Pick<NamedTag, 'repository' | 'tag'>) => ({ registry, repository, tag });
  const found = new Map<string, Looked>();
  const namespaces = tellNamespaces(registry, tell);
  const waits = tellWaits(tell);

  await lookAtTags({
    listing: access.listing,
    rules: ruleSet.rules.filter((rule) => rule.registries.includes(registry)),
    passOver: (repository) => selection.passOver(repository) || run.isWalked(registry, repository),
    concurrency,
    signal,
    stop,
    look: async (tag) => {
      const image = imageOf(tag);
      if (run.isLookedAt(image)) return undefined;
      // Until it is known better, also when the look ends in an error.
      found.set(nameOfImage(image), { kind: 'unread' });
      const looked = await lookUnlessStopped(image, options, tag.pushedAt);
      found.set(nameOfImage(image), looked);
      waits(nameOfImage(image), looked);
      return looked.kind === 'unread' ? looked.error : undefined;
    },
    onFailed: (failed) => {
      if (failed.what === 'repository') run.countUnlisted();
      tellOfFailed(registry, failed, tell);
    },
    onBatch: async (tags) => {
      await run.record(tags.map(imageOf).map((image) => ({ image, looked: found.get(nameOfImage(image)) })));
      found.clear();
      namespaces.passed(tags);
      tell({ step: 'progress' });
    },
  });
  if (stop.aborted) return;
  await run.endWalk();
  namespaces.end();
}

/** Whoever waits for room when it is to stop has not begun with the image; it is looked at again by the next process. */
async function lookUnlessStopped(
  image: TaggedImage,
  options: BackfillRegistryOptions,
  pushedAt: Date | undefined,
): Promise<Looked> {
  if (options.stop.aborted) return { kind: 'beyond' };
  try {
    return await lookAtImage(image, options, pushedAt);
  } catch (error) {
    if (options.stop.aborted) return { kind: 'beyond' };
    throw error;
  }
}

/** Tells of each namespace when the walk has left it. */
function tellNamespaces(registry: string, tell: Tell) {
  let at: { readonly namespace: string | undefined } | undefined;
  const end = () => {
    if (at !== undefined) tell({ step: 'namespace', registry, namespace: at.namespace });
    at = undefined;
  };
  const passed = (tags: readonly NamedTag[]) => {
    for (const namespace of tags.map(({ repository }) => namespaceOf(repository))) {
      if (at?.namespace !== namespace) end();
      at ??= { namespace };
    }
  };
  return { passed, end };
}

/** Tells each reason to wait once, with the first image. */
function tellWaits(tell: Tell) {
  const told = new Set<string>();
  return (image: string, looked: Looked) => {
    const reason = 'waits' in looked ? looked.waits : undefined;
    if (reason === undefined || told.has(reason)) return;
    told.add(reason);
    tell({ step: 'waiting', image, reason });
  };
}

function tellOfFailed(registry: string, { repository, tag, error }: FailedLook, tell: Tell): void {
  const place = tag === undefined ? `${registry}/${repository}` : nameOfImage({ registry, repository, tag });
  tell({ step: 'unread', place, reason: error instanceof Error ? error.message : String(error) });
}
