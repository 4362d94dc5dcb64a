import { setTimeout as sleep } from 'node:timers/promises';
import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import type { TaggedImage } from '../ports/baseline.ts';
import type { JobEnds } from '../queue/job-ends.ts';
import { type Looked, lookAtImage } from './look-at-image.ts';
import { type TakeImageOptions, takeImages } from './take-image.ts';
import { type WalkSelectionOptions, walkSelection } from './walk-selection.ts';
import { watchJobs } from './watch-jobs.ts';

export interface BackfillOptions
  extends Omit<WalkSelectionOptions, 'take'>,
    Pick<TakeImageOptions, 'baseline' | 'lane'> {
  readonly ends: Pick<JobEnds, 'read'>;
  /** Jobs of this run that may wait, sleep or run at a time. */
  readonly pendingMax: number;
  /** Whether to follow the jobs to their end. */
  readonly wait: boolean;
  /** Between two looks at the jobs, in milliseconds. */
  readonly pollMs: number;
  /** When no job has ended for this long, it is told, in milliseconds. */
  readonly idleMs: number;
}

/** How a backfill ended: `stopped` by somebody; `partly` when something could not be looked at, or waits. */
export interface BackfillEnd {
  readonly status: 'finished' | 'stopped' | 'partly';
  /** Why registries could not be walked. */
  readonly errors: readonly AutosignError[];
}

/**
 * Has what stood before its rule signed: walks the chosen registries, takes what lacks a signature out of the
 * baselines of its rules and queues it, no more than there is room for, and follows the jobs meanwhile.
 * @throws AutosignError `redis-unreachable`; the reason of `signal` once it is aborted
 */
export async function backfill(options: BackfillOptions): Promise<BackfillEnd> {
  const { run, stop, concurrency, pendingMax } = options;
  const failing = new AbortController();
  const signal = AbortSignal.any([options.signal, failing.signal]);
  const ending = AbortSignal.any([signal, stop]);
  const through = new AbortController();

  /** Resolved when this many jobs of the run, or fewer, have not ended. */
  async function untilPending(most: number): Promise<void> {
    while (run.pending.size > most) {
      await sleep(options.pollMs, undefined, { signal: ending }).catch(() => undefined);
      ending.throwIfAborted();
    }
  }

  // What a batch has begun with is not among the pending before its end.
  const room = () => untilPending(pendingMax - concurrency);
  const watched = watchJobs({
    ...options,
    lookAgain: (image) => lookAgain(image, { ...options, signal }),
    signal: AbortSignal.any([signal, through.signal]),
  }).catch((error: unknown) => failing.abort(error));
  try {
    const take = takeImages({ ...options, room, signal: ending });
    const errors = await walkSelection({ ...options, take, signal });
    if (options.wait && !stop.aborted) await untilPending(0).catch(() => undefined);
    signal.throwIfAborted();
    if (stop.aborted) return { status: 'stopped', errors };
    const { unread, waiting } = run.progress();
    return { status: errors.length + unread + waiting === 0 ? 'finished' : 'partly', errors };
  } finally {
    through.abort();
    await watched;
  }
}

/** Outside of limit and window: the image has its place among the pending. */
async function lookAgain(image: TaggedImage, options: BackfillOptions): Promise<Looked> {
  const take = takeImages({ ...options, room: async () => undefined });
  const access = options.accessTo(image.registry);
  try {
    return await lookAtImage(image, { ...options, access, take, since: undefined, mayTake: () => true });
  } catch (error) {
    if (!isAutosignError(error) || error.scope === 'process') throw error;
    return { kind: 'unread', error };
  }
}
