import { setTimeout as sleep } from 'node:timers/promises';
import type { SignJob } from './sign-job.ts';
import type { SignQueue } from './sign-queue.ts';

/** The lane behind the live pushes, kept short. */
export interface BackfillLane {
  /**
   * Adds a job once there is room.
   * @throws the reason of `signal` once it is aborted; AutosignError `redis-unreachable`
   */
  add(job: SignJob, signal: AbortSignal): Promise<void>;
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

  async function addWhenRoom(job: SignJob, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if ((await queue.backfillWaiting()) < waitingMax) break;
      await sleep(pollMs, undefined, { signal });
    }
    await queue.add(job);
  }

  return {
    add: (job, signal) => {
      const added = last.then(() => addWhenRoom(job, signal));
      last = added.catch(() => undefined);
      return added;
    },
  };
}
