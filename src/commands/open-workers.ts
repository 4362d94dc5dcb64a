import { createIntentStore } from '../coordination/intent-store.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createRedisQuota } from '../coordination/redis-quota.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import type { CrashPoint, ReachedPoint } from '../signing/crash-points.ts';
import { type ProcessJobOptions, processJob } from '../worker/process-job.ts';
import type { SignTools } from '../worker/sign-tools.ts';
import { type SignWorkers, type SignWorkersOptions, startSignWorkers } from '../worker/sign-workers.ts';
import { redisErrorLog } from './redis-error-log.ts';
import type { ServiceSettings } from './settings.ts';

export type OpenWorkersOptions = Omit<ProcessJobOptions, 'tools'> &
  Pick<SignTools, 'audit' | 'formats'> &
  Pick<SignWorkersOptions, 'queues' | 'logger' | 'metrics'> & {
    readonly settings: ServiceSettings;
    /** The connection of the stores. */
    readonly redis: RedisConnection;
  };

// Far longer than any job, lock or retry; after it the registry alone is the truth.
const intentKeepMs = 24 * 3600 * 1000;
const jobLockMs = 10_000;
const leaveAfterMs = 60_000;

/** The workers of this process on all queues, with the tools of the pipeline. */
export function openWorkers({ settings, redis, audit, formats, ...options }: OpenWorkersOptions): SignWorkers {
  const { queues, logger, metrics, ...jobs } = options;
  const quota = createRedisQuota({
    redis,
    prefix: signQueuePrefix,
    onTaken: metrics.quotaTaken,
    onLimit: metrics.quotaLimited,
  });
  const tools = {
    intents: createIntentStore({ redis, prefix: signQueuePrefix, keepMs: intentKeepMs }),
    quota,
    audit,
    formats,
    reached: crashAt(settings.testCrashPoint),
  };
  const workers = startSignWorkers({
    redisUrl: settings.redisUrl,
    onRedisError: redisErrorLog(logger),
    queues,
    concurrency: settings.concurrency,
    lockMs: jobLockMs,
    leaveAfterMs,
    logger,
    metrics,
    process: (data) => processJob(data, { ...jobs, tools }),
  });
  return {
    close: async (options) => {
      await workers.close(options);
      await quota.close();
    },
  };
}

/** For tests of what a crash leaves behind: the process dies at the named place, as by a power cut. */
function crashAt(point: CrashPoint | undefined): ReachedPoint | undefined {
  if (point === undefined) return undefined;
  return (reached) => {
    if (reached === point) process.kill(process.pid, 'SIGKILL');
  };
}
