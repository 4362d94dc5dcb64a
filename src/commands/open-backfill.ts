import { setTimeout as sleep } from 'node:timers/promises';
import type { Tell } from '../backfill/backfill-event.ts';
import { type BackfillStore, createBackfillStore } from '../coordination/backfill-store.ts';
import { createBaselineStore } from '../coordination/baseline-store.ts';
import { createLeases, type Lease } from '../coordination/lease.ts';
import { AutosignError } from '../domain/errors.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import { createAllJobEnds } from '../queue/all-job-ends.ts';
import { type BackfillLane, backfillWaitingMax, createBackfillLane } from '../queue/backfill-lane.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import type { JobEnds } from '../queue/job-ends.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createSignQueues } from '../queue/sign-queues.ts';
import { openQueues } from './open-queues.ts';
import type { ServiceSettings } from './settings.ts';

/** What a backfill needs of Redis. */
export interface OpenedBackfill {
  readonly store: BackfillStore;
  readonly baseline: BaselineStore;
  readonly lane: BackfillLane;
  readonly ends: JobEnds;
  /** Aborted when another process may write the progress, or Redis has lost it. */
  readonly signal: AbortSignal;
  close(): Promise<void>;
}

export interface OpenBackfillOptions {
  readonly settings: Pick<ServiceSettings, 'redisUrl' | 'queues'>;
  /** Of the selection: its progress has one writer. */
  readonly id: string;
  readonly tell: Tell;
  /** Ends the wait for another process. */
  readonly stop: AbortSignal;
}

const roomPollMs = 200;
const queueTimeoutMs = 5_000;
// Whoever was killed keeps the lease for so long; whoever goes on waits a little longer.
const leaseTimes = { leaseMs: 6_000, renewMs: 1_500 };
const leaseWaitMs = 9_000;
const leasePollMs = 250;

/** @throws AutosignError `lock-lost` while another process runs a backfill of the same selection; `redis-unreachable` */
export async function openBackfill({ settings, id, tell, stop }: OpenBackfillOptions): Promise<OpenedBackfill> {
  // What is wrong is said by the step that fails.
  const redis = connectStore({ redisUrl: settings.redisUrl, onError: () => undefined });
  const queues = openQueues(redis, settings);
  const shared = { redis, prefix: signQueuePrefix };
  try {
    const lease = await takeLease(`backfill:${id}`, createLeases({ ...shared, ...leaseTimes }), { tell, stop });
    const queue = createSignQueues({ redis, queues, timeoutMs: queueTimeoutMs });
    const ends = createAllJobEnds({ redis, queues, timeoutMs: queueTimeoutMs });
    return {
      store: createBackfillStore(shared),
      baseline: createBaselineStore(shared),
      lane: createBackfillLane({ queue, waitingMax: backfillWaitingMax, pollMs: roomPollMs }),
      ends,
      signal: lease.signal,
      close: async () => {
        await lease.release();
        await ends.close();
        await queue.close();
        await closeConnection(redis);
      },
    };
  } catch (error) {
    await closeConnection(redis);
    throw error;
  }
}

async function takeLease(
  name: string,
  leases: ReturnType<typeof createLeases>,
  { tell, stop }: Pick<OpenBackfillOptions, 'tell' | 'stop'>,
): Promise<Lease> {
  const giveUpAt = performance.now() + leaseWaitMs;
  for (let tries = 1; performance.now() < giveUpAt; tries += 1) {
    stop.throwIfAborted();
    const lease = await leases.take(name);
    if (lease !== undefined) return lease;
    if (tries === 1) tell({ step: 'occupied' });
    await sleep(leasePollMs, undefined, { signal: stop }).catch(() => undefined);
  }
  const message = 'Another process runs a backfill of the same choice; wait for it, or choose something else.';
  throw new AutosignError('lock-lost', message);
}
