import { createDeadLetters } from './dead-letters.ts';
import { createImageJobs, type ImageJobs, type ImageJobsOptions } from './image-jobs.ts';
import { jobIdOf } from './job-id.ts';
import { perQueue } from './per-queue.ts';
import type { QueueSet } from './queue-set.ts';

export type AllImageJobsOptions = Omit<ImageJobsOptions, 'prefix' | 'deadLetters'> & { readonly queues: QueueSet };

const sendsNothing = { add: () => Promise.reject(new Error('who looks for jobs queues nothing')) };

/** The jobs of one image in whichever queue: that of its repository first, then those of another number of queues. */
export function createAllImageJobs({ queues, ...options }: AllImageJobsOptions): ImageJobs {
  const opened = perQueue((prefix) => openOne({ ...options, prefix }));

  /** The id of what is found begins with its queue's number. */
  async function first<Found extends { readonly id: string }>(
    image: Parameters<ImageJobs['live']>[0],
    look: (jobs: ImageJobs) => Promise<Found | undefined>,
  ): Promise<Found | undefined> {
    const own = queues.of(image);
    const others = (await queues.inUse()).filter(({ index }) => index !== own.index);
    for (const place of [own, ...others]) {
      const found = await look(opened.at(place));
      if (found !== undefined) return { ...found, id: jobIdOf(place, found.id) };
    }
    return undefined;
  }

  return {
    live: (image) => first(image, (jobs) => jobs.live(image)),
    dead: (image) => first(image, (jobs) => jobs.dead(image)),
    close: opened.close,
  };
}

function openOne(options: Omit<ImageJobsOptions, 'deadLetters'>): ImageJobs {
  const deadLetters = createDeadLetters({ ...options, queue: sendsNothing, now: () => new Date() });
  const jobs = createImageJobs({ ...options, deadLetters });
  return {
    ...jobs,
    close: async () => {
      await jobs.close();
      await deadLetters.close();
    },
  };
}
