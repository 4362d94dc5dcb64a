import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { type AutosignError, isAutosignError, nextStepOf } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { jobIdOf } from '../queue/job-id.ts';
import { signQueueName } from '../queue/job-options.ts';
import type { QueuePlace } from '../queue/queue-set.ts';
import type { SignJob } from '../queue/sign-job.ts';
import { noteSleep } from '../queue/sleep-note.ts';
import type { ImageOutcome } from '../signing/outcome.ts';
import { countRun } from './count-run.ts';
import type { Places } from './places.ts';
import type { JobVerdict } from './process-job.ts';
import { retryDelayMs } from './retry-delay.ts';
import { askedSleepMs, sleepMs } from './sleep.ts';

export interface SignWorkerOptions {
  /** A connection of `connectWorker`; stays with whoever made it. */
  readonly connection: RedisConnection;
  readonly queue: QueuePlace;
  /** Shared with the workers of other queues in this process. */
  readonly places: Places;
  /** A job whose worker has not renewed its lock for this long is given to another one. */
  readonly lockMs: number;
  readonly process: (data: unknown) => Promise<JobVerdict>;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface SignWorker {
  /** Takes as many jobs as it may now (`Places.limitOf`). */
  adjust(): void;
  /** Takes no new jobs, and resolves when the running ones have ended. */
  close(): Promise<void>;
}

type Result = ImageOutcome;

// How soon the queue is asked again after Redis was away; the default of 15 s would be a delay for every image.
const runRetryMs = 1_000;
// A stalled job only means that its worker died; it says nothing against the image.
const stalledMax = 1000;

/** Takes jobs from one queue and does with each what its verdict says. */
export function startSignWorker(options: SignWorkerOptions): SignWorker {
  const { connection, queue, places, lockMs, logger } = options;
  const { prefix } = queue;
  const run = (job: Job<SignJob, Result>, token: string | undefined) =>
    places.hold(prefix, job.data?.lane, () => runJob(job, token, options));
  const worker = new Worker<SignJob, Result>(signQueueName, run, {
    connection,
    prefix,
    concurrency: places.limitOf(prefix),
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    maxStalledCount: stalledMax,
    runRetryDelay: runRetryMs,
    settings: { backoffStrategy: (attemptsMade, _type, error) => retryDelayMs(attemptsMade, error) },
  });
  worker.on('error', (error) => logger.warn({ err: error }, 'worker: the queue met an error'));
  worker.on('stalled', (id) => {
    logger.warn({ job: jobIdOf(queue, id) }, 'worker: a job was left by a worker that died; it runs again');
  });
  return {
    adjust: () => {
      worker.concurrency = places.limitOf(prefix);
    },
    close: () => worker.close(),
  };
}

async function runJob(
  job: Job<SignJob, Result>,
  token: string | undefined,
  options: SignWorkerOptions,
): Promise<Result> {
  const startedAt = performance.now();
  const verdict = await verdictOf(job, options);
  const ended = { data: job.data, verdict, isLastAttempt: isLastAttempt(job), endedAt: new Date() };
  countRun(ended, options.metrics);
  const fields = {
    job: jobIdOf(options.queue, job.id ?? ''),
    registry: shown(job.data?.registry),
    repository: shown(job.data?.repository),
    tag: shown(job.data?.tag),
    durationMs: Math.round(performance.now() - startedAt),
  };
  switch (verdict.next) {
    case 'done':
      options.logger.info({ ...fields, outcome: verdict.outcome }, 'job done');
      return verdict.outcome;
    case 'sleep': {
      const sleeps = job.attemptsStarted - job.attemptsMade;
      const afterMs = verdict.afterMs === undefined ? sleepMs(sleeps) : askedSleepMs(verdict.afterMs);
      options.logger.warn({ ...fields, reason: verdict.reason, outcome: verdict.outcome, afterMs }, 'job sleeps');
      await noteSleep(job, verdict.reason);
      await job.moveToDelayed(Date.now() + afterMs, token);
      throw new DelayedError();
    }
    case 'retry': {
      const attempt = job.attemptsMade + 1;
      if (isLastAttempt(job)) return endInDeadLetters(verdict.error, { ...fields, attempt }, options);
      options.logger.warn({ ...fields, err: verdict.error, attempt }, 'job failed, is tried again');
      throw verdict.error;
    }
    case 'give-up':
      return endInDeadLetters(verdict.error, fields, options);
  }
}

// No name is longer (domain/image-reference.ts); what a stranger wrote in its place would fill the log.
const nameLengthMax = 255;

function shown(name: unknown): string | undefined {
  return typeof name === 'string' && name.length <= nameLengthMax ? name : undefined;
}

function isLastAttempt(job: Job<SignJob, Result>): boolean {
  return job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
}

/** The dead letter's cause is `code: message`, which `src/queue/dead-letters.ts` reads again. */
function endInDeadLetters(error: AutosignError, fields: object, { logger }: SignWorkerOptions): never {
  logger.error({ ...fields, err: error, nextStep: nextStepOf(error.code) }, 'job ends in the dead letters');
  throw new UnrecoverableError(`${error.code}: ${error.message}`);
}

async function verdictOf(
  job: Job<SignJob, Result>,
  { process, queue, logger, metrics }: SignWorkerOptions,
): Promise<JobVerdict> {
  try {
    return await process(job.data);
  } catch (error) {
    if (isAutosignError(error)) return { next: 'retry', error };
    logger.error({ job: jobIdOf(queue, job.id ?? ''), err: error }, 'job met an unexpected error');
    metrics.failed('unexpected');
    metrics.jobRan(job.data?.registry, isLastAttempt(job) ? 'dead' : 'retry');
    // The queue keeps an error's text and stack; those of an error that is not ours may hold anything.
    const name = error instanceof Error ? error.name : typeof error;
    throw new Error(`unexpected: ${name}; the worker's log has the details`);
  }
}
