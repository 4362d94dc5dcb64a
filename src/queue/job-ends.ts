import { Queue } from 'bullmq';
import { z } from 'zod';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { isErrorCode } from '../domain/errors.ts';
import { createConfirm } from './confirmation.ts';
import type { DeadLetterCode } from './dead-letters.ts';
import { signQueueName } from './job-options.ts';

/** How a job ended. */
export type JobEnd =
  /** A signature that the rules demand is there. */
  | { readonly status: 'signed' }
  /** It ended well without a signature, for this reason. */
  | { readonly status: 'left'; readonly reason: string }
  /** It is a dead letter. */
  | { readonly status: 'failed'; readonly code: DeadLetterCode }
  /** It ended long ago, was replaced, or was taken away: only the registry knows. */
  | { readonly status: 'gone' };

/** A job, by what its add answered. */
interface AddedJob {
  readonly registry: string;
  readonly repository: string;
  readonly id: string;
}

export interface JobEnds {
  /**
   * How each of these jobs ended, in their order; undefined for those that wait, sleep or run.
   * @throws AutosignError `redis-unreachable`
   */
  read(jobs: readonly AddedJob[]): Promise<readonly (JobEnd | undefined)[]>;
  /** Ends the queue of its own; the connection stays with whoever made it. */
  close(): Promise<void>;
}

export interface JobEndsOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** How long Redis may take for one look, in milliseconds. */
  readonly timeoutMs: number;
}

/** What a worker left with a job; whoever can write to Redis can have written it. */
const Outcome = z.object({
  status: z.string(),
  reason: z.string().optional(),
  intents: z.array(z.object({ status: z.string(), reason: z.string().optional() })).optional(),
});

/** Looks at jobs by their ids; two commands tell of all of them which have ended (`ZMSCORE`, Redis 6.2). */
export function createJobEnds({ redis, prefix, timeoutMs }: JobEndsOptions): JobEnds {
  const queue = new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  // The owner of the connection hears of its errors; without a listener here Node would end the process.
  queue.on('error', () => undefined);
  const confirm = createConfirm(redis, timeoutMs);

  async function endOf(id: string, state: 'completed' | 'failed' | undefined): Promise<JobEnd | undefined> {
    const key = queue.toKey(id);
    if (state === 'completed') return endOfCompleted(await redis.hget(key, 'returnvalue'));
    if (state === 'failed') return { status: 'failed', code: codeOf(await redis.hget(key, 'failedReason')) };
    return (await redis.exists(key)) === 1 ? undefined : { status: 'gone' };
  }

  return {
    read: (jobs) =>
      confirm(async () => {
        if (jobs.length === 0) return [];
        const ids = jobs.map(({ id }) => id);
        const [completed, failed] = await Promise.all([
          redis.zmscore(queue.toKey('completed'), ...ids),
          redis.zmscore(queue.toKey('failed'), ...ids),
        ]);
        const stateOf = (index: number) => {
          if (failed[index] !== null) return 'failed';
          return completed[index] === null ? undefined : 'completed';
        };
        return await Promise.all(ids.map((id, index) => endOf(id, stateOf(index))));
      }),
    close: () => queue.close(),
  };
}

function endOfCompleted(returned: string | null): JobEnd {
  const outcome = Outcome.safeParse(parseJson(returned ?? ''));
  // It was there a moment ago.
  if (!outcome.success) return { status: 'gone' };
  const { status, reason, intents = [] } = outcome.data;
  if (intents.some((intent) => ['signed', 'already-signed'].includes(intent.status))) return { status: 'signed' };
  return { status: 'left', reason: reason ?? intents[0]?.reason ?? status };
}

/** The cause of a dead letter is `code: message`, as the worker writes it. */
function codeOf(failedReason: string | null): DeadLetterCode {
  const code = failedReason?.split(':', 1)[0] ?? '';
  return isErrorCode(code) ? code : 'unexpected';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
