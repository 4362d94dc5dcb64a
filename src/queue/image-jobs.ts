import { type Job, Queue } from 'bullmq';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createConfirm } from './confirmation.ts';
import type { DeadLetter, DeadLetters } from './dead-letters.ts';
import { deduplicationId, signQueueName } from './job-options.ts';
import type { SignJob } from './sign-job.ts';
import { readSleepNote } from './sleep-note.ts';

/** What names the jobs of one image. */
type JobImage = Pick<SignJob, 'registry' | 'repository' | 'tag'>;

/** A job that is going to look at an image, or does so now. Whoever can write to Redis can have written any of it. */
export interface LiveJob {
  readonly id: string;
  readonly lane: SignJob['lane'];
  readonly state: 'waiting' | 'running' | 'sleeping';
  readonly queuedAt: Date;
  /** Runs that failed and are not the last. */
  readonly failures: number;
  /** When it wakes; undefined unless it sleeps. */
  readonly until: Date | undefined;
  /** Why it sleeps, as its last run said. */
  readonly reason: string | undefined;
}

/** The jobs of one image, found without a look at those of others. Throws AutosignError `redis-unreachable`. */
export interface ImageJobs {
  /** The live push when there is one, else what waits behind the live pushes. */
  live(image: JobImage): Promise<LiveJob | undefined>;
  /** The newest dead letter. One field of each dead letter is read until it is found, of `deadLettersMax` at most. */
  dead(image: JobImage): Promise<DeadLetter | undefined>;
  /** Ends the queue of its own; the connection stays with whoever made it. */
  close(): Promise<void>;
}

export interface ImageJobsOptions {
  /** A connection of `connectProducer`. */
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** How long Redis may take for one step, in milliseconds. */
  readonly timeoutMs: number;
  readonly deadLetters: Pick<DeadLetters, 'get'>;
}

const lanes = ['push', 'backfill'] as const;
// About 300 bytes each: one round trip or so for what most queues hold.
const pageSize = 1_000;
// BullMQ keeps the time in the upper bits of the score (`getDelayedScore` of its scripts), a counter in the lower 12.
const delayedScoreFactor = 0x1000;

export function createImageJobs({ redis, prefix, timeoutMs, deadLetters }: ImageJobsOptions): ImageJobs {
  const queue = new Queue<SignJob>(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  queue.on('error', () => undefined);
  const confirm = createConfirm(redis, timeoutMs);

  async function readLive(image: JobImage, lane: SignJob['lane']): Promise<LiveJob | undefined> {
    const id = await queue.getDeduplicationJobId(deduplicationId({ ...image, lane }));
    const job = id === null ? undefined : await queue.getJob(id);
    const state = job === undefined ? undefined : states[await job.getState()];
    if (id === null || job === undefined || state === undefined) return undefined;
    const about = { id, lane, state, queuedAt: new Date(job.timestamp), failures: job.attemptsMade };
    if (state !== 'sleeping') return { ...about, until: undefined, reason: undefined };
    const score = await redis.zscore(queue.toKey('delayed'), id);
    const until = score === null ? undefined : new Date(Math.floor(Number(score) / delayedScoreFactor));
    return { ...about, until, reason: reasonOf(job) };
  }

  return {
    live: (image) =>
      confirm(async () => {
        const jobs = await Promise.all(lanes.map((lane) => readLive(image, lane)));
        return jobs.find((job) => job !== undefined);
      }),
    dead: async (image) => {
      const ids = await confirm(() => redis.zrange(queue.toKey('failed'), 0, -1, 'REV'));
      for (let start = 0; start < ids.length; start += pageSize) {
        const page = ids.slice(start, start + pageSize);
        const data = await confirm(() => Promise.all(page.map((id) => redis.hget(queue.toKey(id), 'data'))));
        for (const id of page.filter((_, index) => mayBeAbout(data[index], image))) {
          const letter = await deadLetters.get(id);
          if (letter?.job !== undefined && isAbout(letter.job, image)) return letter;
        }
      }
      return undefined;
    },
    close: () => queue.close(),
  };
}

const states: Partial<Record<string, LiveJob['state']>> = {
  waiting: 'waiting',
  prioritized: 'waiting',
  active: 'running',
  delayed: 'sleeping',
};

/** After a sleep its note; after a failed run the error's text, which BullMQ keeps. */
function reasonOf(job: Job<SignJob>): string | undefined {
  return readSleepNote(job) ?? job.failedReason;
}

/** A cheap look before the job is read and parsed. */
function mayBeAbout(data: string | null | undefined, { repository, tag }: JobImage): boolean {
  return data?.includes(repository) === true && data.includes(tag);
}

function isAbout(job: SignJob, image: JobImage): boolean {
  return job.registry === image.registry && job.repository === image.repository && job.tag === image.tag;
}
