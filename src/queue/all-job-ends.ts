import { createJobEnds, type JobEnds, type JobEndsOptions } from './job-ends.ts';
import { parseJobId } from './job-id.ts';
import { queuesMax } from './job-options.ts';
import { perQueue } from './per-queue.ts';
import type { QueueSet } from './queue-set.ts';

export type AllJobEndsOptions = Omit<JobEndsOptions, 'prefix'> & { readonly queues: QueueSet };

/** How jobs ended, over all queues: the id of each begins with its queue's number. */
export function createAllJobEnds({ queues, ...options }: AllJobEndsOptions): JobEnds {
  const opened = perQueue((prefix) => createJobEnds({ ...options, prefix }));
  return {
    read: async (jobs) => {
      const placed = jobs.map((job, position) => ({ ...job, ...parseJobId(job.id), position }));
      const ends = new Map<number, Awaited<ReturnType<JobEnds['read']>>[number]>();
      for (const [index, ofQueue] of Map.groupBy(placed, (job) => job.index)) {
        // Of a queue that there cannot be only the registry knows.
        const read = index < queuesMax ? await opened.at(queues.at(index)).read(ofQueue) : [];
        for (const [at, { position }] of ofQueue.entries()) {
          ends.set(position, index < queuesMax ? read[at] : { status: 'gone' });
        }
      }
      return jobs.map((_, position) => ends.get(position));
    },
    close: opened.close,
  };
}
