import { type Job, Queue } from 'bullmq';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { type ErrorCode, isAutosignError, isErrorCode, nextStepOf } from '../domain/errors.ts';
import { createConfirm } from './confirmation.ts';
import { signQueueName } from './job-options.ts';
import { parseSignJob, type SignJob } from './sign-job.ts';
import type { SignQueue } from './sign-queue.ts';

/** Why a dead letter is one; `unexpected` is an error that is not ours, and the log has the details. */
export type DeadLetterCode = ErrorCode | 'unexpected';

/** What to do about a dead letter with this cause. */
export function nextStepFor(code: DeadLetterCode): string {
  return code === 'unexpected' ? "Look for the job's id in the log of the workers, then retry." : nextStepOf(code);
}

/** A job that failed for good. Whoever can write to Redis can have written any of it. */
export interface DeadLetter {
  readonly id: string;
  /** Undefined when it is not a job of this release, so that it cannot be tried again. */
  readonly job: SignJob | undefined;
  readonly code: DeadLetterCode;
  readonly message: string;
  readonly failedAt: Date;
  readonly attempts: number;
}

/** One that can be tried again. */
export interface SendableDeadLetter extends DeadLetter {
  readonly job: SignJob;
}

export interface DeadLetterFilter {
  readonly registry?: string | undefined;
  readonly code?: DeadLetterCode | undefined;
}

/**
 * The dead letters of a queue, kept until they are handled.
 * Every operation throws AutosignError `redis-unreachable` when Redis does not answer in time.
 */
export interface DeadLetters {
  /** From the newest to the oldest. */
  list(filter?: DeadLetterFilter): AsyncIterable<DeadLetter>;
  /** @returns undefined when there is none with this id (any more) */
  get(id: string): Promise<DeadLetter | undefined>;
  /**
   * Queues the job anew, with all its attempts, and takes the dead letter away once Redis has the new one. Between
   * the two nothing is lost: at worst both are there, and the second try of the same image finds its signature.
   * @returns the id of the job that will do the work
   */
  sendAgain(letter: SendableDeadLetter, lane: SignJob['lane']): Promise<string>;
  /** Takes it away, for whoever knows that its image needs it no more; nothing happens when it is gone. */
  remove(id: string): Promise<void>;
  /** Ends the queue of its own; the connection stays with whoever made it. */
  close(): Promise<void>;
}

export interface DeadLettersOptions {
  /** A connection of `connectProducer`. */
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** How long Redis may take for one step, in milliseconds. */
  readonly timeoutMs: number;
  /** Where they are sent again. */
  readonly queue: Pick<SignQueue, 'add'>;
  readonly now: () => Date;
}

// Read side by side, in one round trip to Redis or so.
const pageSize = 100;

export function createDeadLetters({ redis, prefix, timeoutMs, queue, now }: DeadLettersOptions): DeadLetters {
  const failed = new Queue<SignJob>(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  failed.on('error', () => undefined);
  const confirm = createConfirm(redis, timeoutMs);

  async function read(id: string): Promise<DeadLetter | undefined> {
    try {
      const job = await failed.getJob(id);
      return job?.finishedOn === undefined || job.failedReason === undefined ? undefined : describe(id, job);
    } catch (error) {
      // What a stranger wrote, no JSON or JSON of another shape, must not hide the other dead letters.
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
      const message = 'What is stored in Redis for this job cannot be read.';
      return { id, job: undefined, code: 'unexpected', message, failedAt: new Date(0), attempts: 0 };
    }
  }

  return {
    async *list({ registry, code } = {}) {
      // The ids at once: page by page, whatever is sent again meanwhile would shift the pages.
      const ids = await confirm(() => redis.zrange(failed.toKey('failed'), 0, -1, 'REV'));
      for (let start = 0; start < ids.length; start += pageSize) {
        const page = ids.slice(start, start + pageSize);
        for (const letter of await confirm(() => Promise.all(page.map(read)))) {
          if (letter === undefined) continue;
          if (registry !== undefined && letter.job?.registry !== registry) continue;
          if (code === undefined || letter.code === code) yield letter;
        }
      }
    },
    get: (id) =>
      confirm(async () => ((await redis.zscore(failed.toKey('failed'), id)) === null ? undefined : await read(id))),
    sendAgain: async ({ id, job }, lane) => {
      const cause = { kind: 'operator', requestedAt: now().toISOString() } as const;
      const added = await queue.add({ ...job, lane, cause });
      await confirm(() => failed.remove(id));
      return added.id;
    },
    remove: async (id) => {
      await confirm(() => failed.remove(id));
    },
    close: () => failed.close(),
  };
}

function describe(id: string, job: Job<SignJob>): DeadLetter {
  const { failedReason, finishedOn = 0, attemptsMade } = job;
  const [, code = '', message = failedReason] = /^([a-z-]+): (.*)$/s.exec(failedReason) ?? [];
  const known = isErrorCode(code);
  return {
    id,
    job: readable(job.data),
    code: known ? code : 'unexpected',
    message: known ? message : failedReason,
    failedAt: new Date(finishedOn),
    attempts: attemptsMade,
  };
}

function readable(data: unknown): SignJob | undefined {
  try {
    return parseSignJob(data);
  } catch (error) {
    if (isAutosignError(error, 'job-invalid')) return undefined;
    throw error;
  }
}
