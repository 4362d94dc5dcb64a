import { once } from 'node:events';
import { createLogger } from '../../../src/observability/logger.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { onlyQueue } from '../../../src/queue/queue-set.ts';
import { startSignWorkers } from '../../../src/worker/sign-workers.ts';

// A worker in a process of its own that takes a job and never ends it, for a test to kill. Arguments: URL and prefix.
const [redisUrl = '', prefix = ''] = process.argv.slice(2);
startSignWorkers({
  redisUrl,
  onRedisError: () => undefined,
  queues: onlyQueue(prefix),
  concurrency: 1,
  leaveAfterMs: 60_000,
  lockMs: 1_000,
  logger: createLogger({ level: 'silent' }),
  metrics: createMetrics({
    isRegistry: () => false,
    queueDepth: async () => ({ lanes: [], deadLetters: 0 }),
    paused: () => [],
    certificates: () => [],
    clientKeys: () => [],
    now: () => new Date(),
  }),
  process: async () => {
    process.stdout.write('running\n');
    await once(process, 'never');
    throw new Error('never comes');
  },
});
