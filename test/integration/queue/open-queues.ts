import { inject, onTestFinished } from 'vitest';
import type { RedisConnection } from '../../../src/coordination/redis-connection.ts';
import { prefixAt } from '../../../src/coordination/shards.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createAllDeadLetters } from '../../../src/queue/all-dead-letters.ts';
import { createAllImageJobs } from '../../../src/queue/all-image-jobs.ts';
import { createAllJobEnds } from '../../../src/queue/all-job-ends.ts';
import { closeConnection, connectProducer } from '../../../src/queue/connection.ts';
import { createQueueDepths } from '../../../src/queue/queue-depth.ts';
import { createQueueSet, type QueueSet } from '../../../src/queue/queue-set.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createSignQueues } from '../../../src/queue/sign-queues.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { startSignWorkers } from '../../../src/worker/sign-workers.ts';
import { uniquePrefix } from '../../support/names.ts';

const timeoutMs = 5_000;

/** One deployment's part of Redis, and processes that count its queues as each test says; all go with the test. */
export function openQueues(
  redisUrl = inject('redisUrl'),
  prefix = uniquePrefix('queues'),
  onError: (error: Error) => void = () => undefined,
) {
  const redis: RedisConnection = connectProducer({ redisUrl, onError });
  onTestFinished(() => closeConnection(redis));
  const setOf = (count: number): QueueSet => createQueueSet({ redis, prefix, count, timeoutMs });
  const closing = <Part extends { close(): Promise<void> }>(part: Part): Part => {
    onTestFinished(() => part.close());
    return part;
  };
  const log: Record<string, unknown>[] = [];
  const logger = createLogger({ level: 'info', destination: { write: (line) => log.push(JSON.parse(line)) } });

  function openProcess(count: number, confirmMs = timeoutMs) {
    const queues = setOf(count);
    const queue = closing(createSignQueues({ redis, queues, timeoutMs: confirmMs }));
    const now = () => new Date();
    return {
      queues,
      queue,
      dead: closing(createAllDeadLetters({ redis, queues, timeoutMs, queue, now })),
      ends: closing(createAllJobEnds({ redis, queues, timeoutMs })),
      imageJobs: closing(createAllImageJobs({ redis, queues, timeoutMs })),
      depths: closing(createQueueDepths({ redis, queues, timeoutMs })),
      startWorkers: (
        process: (data: unknown) => Promise<JobVerdict>,
        { concurrency = 4, leaveAfterMs = 60_000 }: { concurrency?: number; leaveAfterMs?: number } = {},
      ) => {
        const metrics = createMetrics({
          isRegistry: () => true,
          queueDepth: async () => ({ lanes: [], deadLetters: 0 }),
          paused: () => [],
          certificates: () => [],
          clientKeys: () => [],
          now,
        });
        const onRedisError = () => undefined;
        const options = {
          redisUrl,
          onRedisError,
          queues: setOf(count),
          concurrency,
          lockMs: 2_000,
          leaveAfterMs,
          process,
        };
        const workers = startSignWorkers({ ...options, logger, metrics });
        onTestFinished(() => workers.close({ timeoutMs: 500 }));
        return workers;
      },
    };
  }
  return { redis, prefix, log, openProcess, prefixOf: (index: number) => prefixAt(prefix, index) };
}

/** A push of `prod/app-<number>:v1`. */
export function pushOf(number: number, lane: SignJob['lane'] = 'push'): SignJob {
  const at = new Date().toISOString();
  const cause =
    lane === 'push' ? { kind: 'push' as const, receivedAt: at } : { kind: 'backfill' as const, requestedAt: at };
  return { version: 1, registry: 'lab', repository: `prod/app-${number}`, tag: 'v1', lane, cause };
}

/** The numbers of the repositories whose pushes belong to queue `index` of `count`. */
export function numbersIn(queues: QueueSet, index: number, howMany: number): readonly number[] {
  const numbers = Array.from({ length: 1_000 }, (_, number) => number);
  return numbers.filter((number) => queues.of(pushOf(number)).index === index).slice(0, howMany);
}
