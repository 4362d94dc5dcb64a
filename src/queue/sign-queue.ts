import { Queue } from 'bullmq';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createConfirm } from './confirmation.ts';
import { signJobOptions, signQueueName } from './job-options.ts';
import { primariesOf } from './primaries.ts';
import type { SignJob } from './sign-job.ts';

/** Where sign jobs are added. */
export interface SignQueue {
  /**
   * Adds a job and waits until Redis has it. `first` runs before it, within the same time.
   * The id is that of the job that will do the work: an earlier one when this one was merged into it.
   * @throws AutosignError `redis-unreachable` when not confirmed in time; the job may still arrive
   */
  add(job: SignJob, first?: () => Promise<void>): Promise<{ readonly id: string }>;
  /**
   * How many jobs of the backfill lane wait for a worker; those that sleep between attempts are not among them.
   * @throws AutosignError `redis-unreachable`
   */
  backfillWaiting(): Promise<number>;
  /** Never rejected. */
  check(): Promise<QueueCheck>;
  /** Ends the queue; the connection stays with whoever made it. */
  close(): Promise<void>;
}

interface QueueCheck {
  readonly reachable: boolean;
  /** Whether Redis refuses writes when it is full. With any other policy it would silently drop queued jobs. */
  readonly noeviction: boolean;
}

export interface SignQueueOptions {
  /** A connection of `connectProducer`. */
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** How long Redis may take to confirm, connecting included, in milliseconds. */
  readonly timeoutMs: number;
}

const noevictionPattern = /^maxmemory_policy:noeviction\r?$/m;

/** The queue as the receiver and the operator's commands see it: they only add. */
export function createSignQueue({ redis, prefix, timeoutMs }: SignQueueOptions): SignQueue {
  // The version check would ask once at the first connect and break the queue for good if that answer were lost.
  const queue = new Queue<SignJob>(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  const confirm = createConfirm(redis, timeoutMs);
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  queue.on('error', () => undefined);

  return {
    add: (job, first) =>
      confirm(async (signal) => {
        await first?.();
        signal.throwIfAborted();
        const added = await queue.add(job.lane, job, signJobOptions(job));
        if (added.id === undefined) throw new Error('BullMQ added a job without an id');
        return { id: added.id };
      }),
    // The backfill lane is what has a priority: see signJobOptions.
    backfillWaiting: () => confirm(() => queue.getPrioritizedCount()),
    check: async () => {
      try {
        const memories = await confirm(async () => {
          // Of a cluster: the machine that holds this queue answers, too.
          await redis.exists(queue.toKey('meta'));
          return Promise.all(primariesOf(redis).map((server) => server.info('memory')));
        });
        return { reachable: true, noeviction: memories.every((text) => noevictionPattern.test(text)) };
      } catch {
        return { reachable: false, noeviction: false };
      }
    },
    close: () => queue.close(),
  };
}
