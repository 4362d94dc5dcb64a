import { createLeases } from '../coordination/lease.ts';
import { createReconcileSchedule } from '../coordination/reconcile-schedule.ts';
import { createAllDeadLetters } from '../queue/all-dead-letters.ts';
import { backfillWaitingMax, createBackfillLane } from '../queue/backfill-lane.ts';
import type { QueueSet } from '../queue/queue-set.ts';
import { createSignQueues } from '../queue/sign-queues.ts';
import { type ReconcileLoop, type ReconcileLoopOptions, startReconcileLoop } from './reconcile-loop.ts';

// A process that dies is replaced within ten seconds; a loss of Redis' data is noticed within two.
const leaseTimes = { leaseMs: 10_000, renewMs: 2_000 };
const roomPollMs = 500;
const queueTimeoutMs = 5_000;

export type OpenReconcileOptions = Omit<ReconcileLoopOptions, 'schedule' | 'leases' | 'lane' | 'deadLetters'> & {
  /** Of what is not spread over the queues: leases and the schedule. */
  readonly prefix: string;
  readonly queues: QueueSet;
};

/** The reconcile of a worker, on a connection of its stores. */
export function openReconcile({ prefix, queues, ...options }: OpenReconcileOptions): ReconcileLoop {
  const { redis } = options;
  const queue = createSignQueues({ redis, queues, timeoutMs: queueTimeoutMs });
  const now = () => options.clock.now();
  const deadLetters = createAllDeadLetters({ redis, queues, timeoutMs: queueTimeoutMs, queue, now });
  const loop = startReconcileLoop({
    ...options,
    schedule: createReconcileSchedule({ redis, prefix }),
    leases: createLeases({ redis, prefix, ...leaseTimes }),
    deadLetters,
    lane: createBackfillLane({ queue, waitingMax: backfillWaitingMax, pollMs: roomPollMs }),
  });
  return {
    close: async () => {
      await loop.close();
      await deadLetters.close();
      await queue.close();
    },
  };
}
