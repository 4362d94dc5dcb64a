import { type Job, Queue } from 'bullmq';
import { z } from 'zod';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { isDigest } from '../domain/digest.ts';
import { createConfirm } from './confirmation.ts';
import { signQueueName } from './job-options.ts';
import { SignJob } from './sign-job.ts';

/**
 * What a worker of any release wrote as the outcome of a job, as far as it is understood (`signing/outcome.ts`).
 * Whoever can write to Redis can have written it.
 */
const FinishedOutcome = z.object({
  status: z.string(),
  digest: z.custom<`sha256:${string}`>(isDigest).optional(),
  reason: z.string().optional(),
  intents: z
    .array(
      z.object({
        status: z.string(),
        format: z.string(),
        rules: z.array(z.string()),
        reason: z.string().optional(),
      }),
    )
    .optional(),
});
export type FinishedOutcome = Readonly<z.infer<typeof FinishedOutcome>>;

/** A job that was done. */
export interface FinishedJob {
  readonly id: string;
  readonly job: SignJob;
  readonly outcome: FinishedOutcome;
  readonly finishedAt: Date;
  /** From the event or the request to the end, in milliseconds; undefined when the clocks disagree. */
  readonly tookMs: number | undefined;
}

export interface FinishedJobs {
  /**
   * The newest `count`, the newest first, without those that cannot be read.
   * @throws AutosignError `redis-unreachable`
   */
  newest(count: number): Promise<readonly FinishedJob[]>;
  close(): Promise<void>;
}

export interface FinishedJobsOptions {
  readonly redis: RedisConnection;
  /** One for each queue. */
  readonly prefixes: readonly string[];
  /** How long Redis may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** The connection stays with whoever made it. */
export function createFinishedJobs({ redis, prefixes, timeoutMs }: FinishedJobsOptions): FinishedJobs {
  const confirm = createConfirm(redis, timeoutMs);
  const queues = prefixes.map((prefix) => {
    const queue = new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
    // The owner of the connection hears of its errors; without a listener here Node would end the process.
    queue.on('error', () => undefined);
    return queue;
  });

  async function newestOf(queue: Queue, count: number): Promise<readonly FinishedJob[]> {
    const ids = await redis.zrange(queue.toKey('completed'), 0, count - 1, 'REV');
    const read = await Promise.all(ids.map((id) => readFinished(queue, id)));
    return read.filter((job) => job !== undefined);
  }

  return {
    newest: (count) =>
      confirm(async () => {
        const lists = await Promise.all(queues.map((queue) => newestOf(queue, count)));
        return lists
          .flat()
          .sort((one, other) => other.finishedAt.getTime() - one.finishedAt.getTime())
          .slice(0, count);
      }),
    close: async () => {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}

async function readFinished(queue: Queue, id: string): Promise<FinishedJob | undefined> {
  try {
    const found = await queue.getJob(id);
    return found === undefined ? undefined : describe(id, found);
  } catch (error) {
    // What a stranger wrote, no JSON or JSON of another shape, must not hide the other jobs.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function describe(id: string, { data, returnvalue, finishedOn = Number.NaN }: Job): FinishedJob | undefined {
  const job = SignJob.safeParse(data);
  const outcome = FinishedOutcome.safeParse(returnvalue);
  if (!job.success || !outcome.success || !Number.isFinite(finishedOn)) return undefined;
  const { cause } = job.data;
  const begun = Date.parse(cause.kind === 'push' ? cause.receivedAt : cause.requestedAt);
  const tookMs = finishedOn >= begun ? finishedOn - begun : undefined;
  return { id, job: job.data, outcome: outcome.data, finishedAt: new Date(finishedOn), tookMs };
}
