import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import { inBatches, type NamedTag, type WalkTagsOptions, walkTags } from './walk-registry.ts';

export interface LookAtTagsOptions extends Pick<WalkTagsOptions, 'listing' | 'rules' | 'passOver'> {
  /** Looks at one tag; answers why one of several signatures could not be looked at. */
  readonly look: (tag: NamedTag) => Promise<AutosignError | undefined>;
  /** Told of what could not be looked at, which does not end the walk. */
  readonly onFailed: (failed: FailedLook) => void;
  /** Called when all tags of a batch were looked at. */
  readonly onBatch?: ((batch: readonly NamedTag[]) => Promise<void>) | undefined;
  /** Tags looked at at once. */
  readonly concurrency: number;
  /** Ends the walk between and during requests. */
  readonly signal: AbortSignal;
  /** Ends the walk after the batch that is under way; then nothing is thrown. */
  readonly stop?: AbortSignal | undefined;
}

/** What could not be looked at, and why: the tags of a repository, a tag, or one of its signatures. */
export interface FailedLook {
  readonly what: 'repository' | 'tag' | 'signature';
  readonly repository: string;
  readonly tag?: string;
  readonly error: unknown;
}

/** So many failures of the registry in a row, with none that went well between them, mean that it is down. */
const failuresInARowMax = 25;

/**
 * Looks at every tag of one registry that at least one of the rules selects, each once.
 * @throws AutosignError when the registry or its catalogue cannot be walked to the end, `redis-unreachable`; the
 * reason of `signal` once it is aborted
 */
export async function lookAtTags(options: LookAtTagsOptions): Promise<void> {
  const { listing, rules, passOver, onFailed, signal, stop } = options;
  let inARow = 0;

  async function look(tag: NamedTag): Promise<void> {
    const place = { repository: tag.repository, tag: tag.tag };
    try {
      const failure = await options.look(tag);
      inARow = 0;
      if (failure !== undefined) onFailed({ what: 'signature', ...place, error: failure });
    } catch (error) {
      signal.throwIfAborted();
      if (isAutosignError(error, 'redis-unreachable')) throw error;
      onFailed({ what: 'tag', ...place, error });
      inARow = isAutosignError(error) && error.scope === 'registry' ? inARow + 1 : 0;
      if (inARow >= failuresInARowMax) throw error;
    }
  }

  const onUnlisted = (repository: string, error: AutosignError) => onFailed({ what: 'repository', repository, error });
  const ending = stop === undefined ? signal : AbortSignal.any([signal, stop]);
  try {
    for await (const batch of inBatches(
      walkTags({ listing, rules, passOver, onUnlisted, signal: ending }),
      options.concurrency,
    )) {
      await allSettled(batch.map(look), signal);
      await options.onBatch?.(batch);
      if (stop?.aborted) return;
    }
  } catch (error) {
    // A list of names that was under way is broken off; nothing of it was looked at.
    if (!stop?.aborted || error !== stop.reason) throw error;
  }
}

/**
 * Waits for all, then throws what the first one threw. Once it is told to stop it waits no more: requests that do not
 * hear of the signal end by themselves, and nothing is queued after it.
 */
async function allSettled(looks: readonly Promise<void>[], signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const settled = await Promise.race([Promise.allSettled(looks), stopped.promise]);
    const failed = settled.find((look) => look.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
