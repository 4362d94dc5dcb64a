import { once } from 'node:events';
import { createLogger } from '../../../src/observability/logger.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { startSignWorker } from '../../../src/worker/sign-worker.ts';

// A worker in a process of its own that takes a job and never ends it, for a test to kill. Arguments: URL and prefix.
const [redisUrl = '', prefix = ''] = process.argv.slice(2);
startSignWorker({
  redisUrl,
  prefix,
  concurrency: 1,
  lockMs: 1_000,
  logger: createLogger({ level: 'silent' }),
  metrics: createMetrics({ isRegistry: () => false, jobCounts: async () => ({}), paused: () => [] }),
  process: async () => {
    process.stdout.write('running\n');
    await once(process, 'never');
    throw new Error('never comes');
  },
});
