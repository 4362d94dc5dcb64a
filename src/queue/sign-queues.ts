import { jobIdOf } from './job-id.ts';
import { perQueue } from './per-queue.ts';
import type { QueueSet } from './queue-set.ts';
import { createSignQueue, type SignQueue, type SignQueueOptions } from './sign-queue.ts';

export type SignQueuesOptions = Omit<SignQueueOptions, 'prefix'> & { readonly queues: QueueSet };

/** Several queues as one: a job goes to the queue of its repository, and what waits is counted over all of them. */
export function createSignQueues({ queues, ...options }: SignQueuesOptions): SignQueue {
  const opened = perQueue((prefix) => createSignQueue({ ...options, prefix }));
  // At once: the first push to each must not wait for it.
  for (const place of queues.current) opened.at(place);
  return {
    add: async (job, first) => {
      const place = queues.of(job);
      const { id } = await opened.at(place).add(job, first);
      return { id: jobIdOf(place, id) };
    },
    backfillWaiting: async () => {
      const inUse = await queues.inUse();
      const waiting = await Promise.all(inUse.map((place) => opened.at(place).backfillWaiting()));
      return waiting.reduce((sum, count) => sum + count, 0);
    },
    check: async () => {
      const checks = await Promise.all(queues.current.map((place) => opened.at(place).check()));
      return {
        reachable: checks.every(({ reachable }) => reachable),
        noeviction: checks.every(({ noeviction }) => noeviction),
      };
    },
    close: opened.close,
  };
}
