import type { JobsOptions } from 'bullmq';
import type { SignJob } from './sign-job.ts';

/** The name of the queue that holds every sign job. */
export const signQueueName = 'sign';

/** Key prefix of the first queue. The braces make it one hash slot of a Redis Cluster, which BullMQ's scripts need. */
export const signQueuePrefix = '{autosign-0}';

/** Each queue costs a worker a connection that waits, and every few seconds a question. */
export const queuesMax = 64;

/**
 * Twelve attempts from one second, doubling: the last one is about 35 minutes after the first, long enough for a
 * registry's maintenance window. What is wrong around an image (a key, a login) waits without using attempts.
 */
const signJobAttempts = 12;

/**
 * The worker computes each delay (`src/worker/retry-delay.ts`), because BullMQ's own strategies do not see `Retry-After`.
 * https://docs.bullmq.io/guide/retrying-failing-jobs#custom-back-off-strategies
 */
const signJobBackoff = { type: 'custom' } as const;

/** Finished jobs are only for looking at: the audit file and the registry hold what was done. */
const completedKept = { count: 1_000, age: 24 * 3600 };

/**
 * Failed jobs are the dead letters, kept until an operator handles them, however old. About 1 kB each, so the bound of
 * each queue is 100 MB of Redis; beyond it the oldest go, and the worker raises an alarm before.
 */
export const deadLettersMax = 100_000;

/** Causes of jobs that nobody announced: whoever walks will come by again. */
const foundByWalk: readonly SignJob['cause']['kind'][] = ['reconcile', 'backfill'];

// BullMQ serves jobs without a priority before all that have one, whatever the number.
const backfillPriority = 10;

/**
 * Options of one job. Deduplicated by lane, registry, repository and tag:
 * - while the first one waits, the next is dropped: the first resolves the tag when it runs;
 * - while it sleeps between attempts, the next replaces it (`replace`), so a new push does not wait out a back-off;
 *   What a reconcile or a backfill finds is dropped there too: a replaced job begins its attempts anew, so that one
 *   which always fails would be found missing again before its last attempt and never end in the dead letters;
 * - while it runs, the last of the next is kept and run afterwards (`keepLastIfActive`);
 * - a live push never falls onto a waiting backfill, because the lane is part of the id.
 * https://docs.bullmq.io/guide/jobs/deduplication
 */
export function signJobOptions(job: SignJob): JobsOptions {
  return {
    attempts: signJobAttempts,
    backoff: signJobBackoff,
    removeOnComplete: completedKept,
    removeOnFail: { count: deadLettersMax },
    deduplication: { id: deduplicationId(job), replace: !foundByWalk.includes(job.cause.kind), keepLastIfActive: true },
    ...(job.lane === 'backfill' && { priority: backfillPriority }),
  };
}

/** What BullMQ deduplicates a job by. None of the parts can hold a colon, so the id is unambiguous. */
export function deduplicationId({
  lane,
  registry,
  repository,
  tag,
}: Pick<SignJob, 'lane' | 'registry' | 'repository' | 'tag'>): string {
  return [lane, registry, repository, tag].join(':');
}
