import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq';
import { isAutosignError } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import { closeConnection, connectWorker } from '../queue/connection.ts';
import { signQueueName } from '../queue/job-options.ts';
import type { SignJob } from '../queue/sign-job.ts';
import type { ImageOutcome } from '../signing/outcome.ts';
import type { JobVerdict } from './process-job.ts';
import { sleepMs } from './sleep.ts';

export interface SignWorkerOptions {
  readonly redisUrl: string;
  readonly prefix: string;
  /** Jobs at once in this process. */
  readonly concurrency: number;
  /** A job whose worker has not renewed its lock for this long is given to another one. */
  readonly lockMs: number;
  readonly process: (data: unknown) => Promise<JobVerdict>;
  readonly logger: Logger;
}

export interface SignWorker {
  /** Takes no new jobs, waits for the running ones up to the deadline, then leaves them to others. */
  close(options: { readonly timeoutMs: number }): Promise<void>;
}

type Result = ImageOutcome;

// A stalled job only means that its worker died; it says nothing against the image.
const stalledMax = 1000;

/** Takes jobs from the queue and does with each what its verdict says. */
export function startSignWorker(options: SignWorkerOptions): SignWorker {
  const { redisUrl, prefix, concurrency, lockMs, logger } = options;
  const connection = connectWorker({ redisUrl, onError: (error) => logger.warn({ err: error }, 'worker: no Redis') });
  const worker = new Worker<SignJob, Result>(signQueueName, (job, token) => runJob(job, token, options), {
    connection,
    prefix,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    maxStalledCount: stalledMax,
  });
  worker.on('error', (error) => logger.warn({ err: error }, 'worker: the queue met an error'));
  worker.on('stalled', (id) => logger.warn({ job: id }, 'worker: a job was left by a worker that died; it runs again'));
  return {
    close: async ({ timeoutMs }) => {
      const finished = worker.close();
      const deadline = AbortSignal.timeout(timeoutMs);
      const timedOut = new Promise<'late'>((resolve) => deadline.addEventListener('abort', () => resolve('late')));
      if ((await Promise.race([finished, timedOut])) === 'late') {
        logger.warn({ timeoutMs }, 'worker: running jobs did not end in time; another worker takes them over');
        connection.disconnect();
      }
      await closeConnection(connection);
    },
  };
}

async function runJob(
  job: Job<SignJob, Result>,
  token: string | undefined,
  options: SignWorkerOptions,
): Promise<Result> {
  const startedAt = performance.now();
  const verdict = await verdictOf(job, options);
  const fields = {
    job: job.id,
    registry: job.data?.registry,
    repository: job.data?.repository,
    tag: job.data?.tag,
    durationMs: Math.round(performance.now() - startedAt),
  };
  switch (verdict.next) {
    case 'done':
      options.logger.info({ ...fields, outcome: verdict.outcome }, 'job done');
      return verdict.outcome;
    case 'sleep': {
      const afterMs = verdict.afterMs ?? sleepMs(job.attemptsStarted - job.attemptsMade);
      options.logger.warn({ ...fields, reason: verdict.reason, outcome: verdict.outcome, afterMs }, 'job sleeps');
      await job.moveToDelayed(Date.now() + afterMs, token);
      throw new DelayedError();
    }
    case 'retry':
      options.logger.warn(
        { ...fields, err: verdict.error, attempt: job.attemptsMade + 1 },
        'job failed, is tried again',
      );
      throw verdict.error;
    case 'give-up':
      options.logger.error({ ...fields, err: verdict.error }, 'job ends in the dead letters');
      throw new UnrecoverableError(`${verdict.error.code}: ${verdict.error.message}`);
  }
}

async function verdictOf(job: Job<SignJob, Result>, { process, logger }: SignWorkerOptions): Promise<JobVerdict> {
  try {
    return await process(job.data);
  } catch (error) {
    if (isAutosignError(error)) return { next: 'retry', error };
    logger.error({ job: job.id, err: error }, 'job met an unexpected error');
    throw error;
  }
}
