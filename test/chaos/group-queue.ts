import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { signJobOptions, signQueueName, signQueuePrefix } from '../../src/queue/job-options.ts';
import type { SignJob } from '../../src/queue/sign-job.ts';
import { scale } from './report.ts';

type JobCounts = Readonly<Record<'waiting' | 'prioritized' | 'active' | 'delayed' | 'failed' | 'completed', number>>;

/** The queue of a group, looked at from outside. */
export interface GroupQueue {
  /** Redis itself, of the group's database. */
  readonly redis: Redis;
  /** For what is not here: a job of any shape, its state, the dead letters. */
  readonly bullmq: Queue;
  counts(): Promise<JobCounts>;
  /** Adds a job of this lane as the service does. */
  add(lane: SignJob['lane'], image: Pick<SignJob, 'registry' | 'repository' | 'tag'>): Promise<void>;
  /** Resolved when nothing waits, runs or sleeps, twice in a row; else rejected with the counts. */
  untilIdle(timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

const pollMs = 100;
// Long enough for a lock to run out, a stall to be noticed, and a few sleeps of a job; the long form leaves thousands.
const idleTimeoutMs = scale > 1 ? 600_000 : 90_000;

/** @param explain what the services said last, for the error of `untilIdle` */
export function openGroupQueue(redisUrl: string, explain: () => string): GroupQueue {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  // Scenarios take Redis away; the connection comes back by itself.
  redis.on('error', () => undefined);
  const bullmq = new Queue(signQueueName, { connection: redis, prefix: signQueuePrefix, skipVersionCheck: true });
  bullmq.on('error', () => undefined);
  const counts = async () =>
    (await bullmq.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed', 'completed')) as JobCounts;
  return {
    redis,
    bullmq,
    counts,
    add: async (lane, image) => {
      const now = new Date().toISOString();
      const cause =
        lane === 'push'
          ? ({ kind: 'push', receivedAt: now } as const)
          : ({ kind: 'backfill', requestedAt: now } as const);
      const { registry, repository, tag } = image;
      const job: SignJob = { version: 1, registry, repository, tag, lane, cause };
      await bullmq.add(lane, job, signJobOptions(job));
    },
    untilIdle: async (timeoutMs = idleTimeoutMs) => {
      const giveUpAt = Date.now() + timeoutMs;
      for (let idle = 0; idle < 2; ) {
        const now = await counts();
        idle = now.waiting + now.prioritized + now.active + now.delayed === 0 ? idle + 1 : 0;
        if (Date.now() > giveUpAt)
          throw new Error(`not idle within ${timeoutMs} ms: ${JSON.stringify(now)}\n${explain()}`);
        if (idle < 2) await sleep(pollMs);
      }
    },
    close: async () => {
      await bullmq.close();
      redis.disconnect();
    },
  };
}
