import { setTimeout as sleep } from 'node:timers/promises';
import type { SignJob } from './sign-job.ts';
import type { SignQueue } from './sign-queue.ts';

/** Jobs that may wait in the lane: about 1 kB each, and seconds of work. The registry is where the rest is kept. */
export const backfillWaitingMax = 1_000;

/** The lane behind the live pushes, kept short. */
export interface BackfillLane {
  /**
   * Adds a job once there is room; answers the id of the job that will do the work.
   * @throws the reason of `signal` once it is aborted; AutosignError `redis-unreachable`
   */
  add(job: SignJob, signal: AbortSignal): Promise<{ readonly id: string }>;
}

export interface BackfillLaneOptions {
  readonly queue: Pick<SignQueue, 'add' | 'backfillWaiting'>;
  /** Jobs that may wait in the lane. Other processes add too, so it may be exceeded by one job a process. */
  readonly waitingMax: number;
  /** Between two looks for room, in milliseconds. */
  readonly pollMs: number;
}

/**
 * A lane that makes whoever fills it wait, so that a large registry neither fills Redis nor is queued as it was long
 * before a worker looks at it. One add at a time: several at once would all see the same last place.
 */
export function createBackfillLane({ queue, waitingMax, pollMs }: BackfillLaneOptions): BackfillLane {
  let last: Promise<unknown> = Promise.resolve();

  async function addWhenRoom(job: SignJob, signal: AbortSignal): Promise<{ readonly id: string }> {
    for (;;) {
      signal.throwIfAborted();
      if ((await queue.backfillWaiting()) < waitingMax) break;
      await sleep(pollMs, undefined, { signal });
    }
    return await queue.add(job);
  }

  return {
    add: (job, signal) => {
      const added = last.then(() => addWhenRoom(job, signal));
      last = added.catch(() => undefined);
      return added;
    },
  };
}
