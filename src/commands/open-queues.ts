import type { RedisConnection } from '../coordination/redis-connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createQueueSet, type QueueSet } from '../queue/queue-set.ts';
import type { Settings } from './settings.ts';

// Dozens of questions at once, each answered in no time.
const timeoutMs = 2_000;

/** The queues that the settings name, and whatever other ones are found to hold jobs. */
export function openQueues(redis: RedisConnection, { queues }: Pick<Settings, 'queues'>): QueueSet {
  return createQueueSet({ redis, prefix: signQueuePrefix, count: queues, timeoutMs });
}
