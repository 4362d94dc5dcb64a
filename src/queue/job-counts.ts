import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { createConfirm } from './confirmation.ts';
import { signQueueName } from './job-options.ts';

export interface JobCounts {
  /**
   * How many jobs there are in each state: `waiting` (live pushes), `prioritized` (everything behind them), `active`,
   * `delayed` (asleep, or between two attempts) and `failed` (the dead letters).
   * @throws AutosignError `redis-unreachable`
   */
  read(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

export interface JobCountsOptions {
  readonly redis: Redis;
  readonly prefix: string;
  /** How long Redis may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** The connection stays with whoever made it. */
export function createJobCounts({ redis, prefix, timeoutMs }: JobCountsOptions): JobCounts {
  const queue = new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  queue.on('error', () => undefined);
  const confirm = createConfirm(redis, timeoutMs);
  return {
    read: () => confirm(() => queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'failed')),
    close: () => queue.close(),
  };
}
