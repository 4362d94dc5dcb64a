import { EventEmitter, once } from 'node:events';
import { Queue, QueueEvents } from 'bullmq';
import { inject, onTestFinished } from 'vitest';
import { createLogger } from '../../../src/observability/logger.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { closeConnection, connectProducer, connectWorker } from '../../../src/queue/connection.ts';
import { signJobOptions, signQueueName } from '../../../src/queue/job-options.ts';
import { onlyQueue } from '../../../src/queue/queue-set.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createSignQueue } from '../../../src/queue/sign-queue.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { startSignWorkers } from '../../../src/worker/sign-workers.ts';
import { uniquePrefix } from '../../support/names.ts';

type JobEvent = 'completed' | 'failed' | 'delayed' | 'stalled';

/** A queue of this test's own, what happens in it, and workers on it; all of it goes with the test. */
export function openQueue(redisUrl = inject('redisUrl'), prefix = uniquePrefix('worker')) {
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const queue = createSignQueue({ redis, prefix, timeoutMs: 5_000 });
  const inspect = new Queue<SignJob>(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  inspect.on('error', () => undefined);
  const log: Record<string, unknown>[] = [];
  const logger = createLogger({ level: 'debug', destination: { write: (line) => log.push(JSON.parse(line)) } });
  const metrics = createMetrics({
    isRegistry: (name) => name === 'lab',
    queueDepth: async () => ({
      lanes: [{ lane: 'push', state: 'waiting', count: await inspect.getWaitingCount() }],
      deadLetters: await inspect.getFailedCount(),
    }),
    paused: () => [],
    certificates: () => [],
    clientKeys: () => [],
    now: () => new Date(),
  });
  onTestFinished(async () => {
    await inspect.obliterate({ force: true }).catch(() => undefined);
    await inspect.close();
    await queue.close();
    await closeConnection(redis);
  });

  // Opened by the first who waits: BullMQ's end of it waits for Redis, which a test may have stopped.
  let watcher: ReturnType<typeof watchEvents> | undefined;

  function startWorker(process: (data: unknown) => Promise<JobVerdict>, more: { concurrency?: number } = {}) {
    const worker = startSignWorkers({
      redisUrl,
      onRedisError: (error) => logger.warn({ err: error }, 'worker: no Redis'),
      queues: onlyQueue(prefix),
      concurrency: 1,
      leaveAfterMs: 60_000,
      lockMs: 1_000,
      logger,
      metrics,
      process,
      ...more,
    });
    onTestFinished(() => worker.close({ timeoutMs: 1 }));
    return worker;
  }

  return {
    prefix,
    redisUrl,
    queue,
    inspect,
    log,
    metrics,
    /** All that Redis holds of this queue's jobs and events. */
    redisText: async () => {
      const keys = await redis.keys(`${prefix}:*`);
      const read = async (key: string) => {
        const type = await redis.type(key);
        return type === 'hash'
          ? await redis.hgetall(key)
          : type === 'stream'
            ? await redis.xrange(key, '-', '+')
            : type;
      };
      return JSON.stringify(await Promise.all(keys.map(read)));
    },
    startWorker,
    /** Adds a job as the receiver does, but with other options where a test cannot wait. */
    addWith: (job: SignJob, options: { attempts?: number; backoff?: number }) =>
      inspect.add(job.lane, job, { ...signJobOptions(job), ...options }),
    /** Waits until an event has happened `count` times since the queue began; answers the last one's job id. */
    until: (name: JobEvent, count = 1) => {
      watcher ??= watchEvents(prefix, redisUrl);
      return watcher(name, count);
    },
    jobOf: async (id: string | undefined) => {
      const job = await inspect.getJob(id ?? '');
      if (job === undefined) throw new Error(`no job ${id}`);
      return job;
    },
  };
}

/** Reads the events of the queue from its beginning. */
function watchEvents(prefix: string, redisUrl: string) {
  const connection = connectWorker({ redisUrl, onError: () => undefined });
  const events = new QueueEvents(signQueueName, { connection, prefix, lastEventId: '0-0' });
  events.on('error', () => undefined);
  const seen: Record<JobEvent, string[]> = { completed: [], failed: [], delayed: [], stalled: [] };
  const news = new EventEmitter();
  for (const name of ['completed', 'failed', 'delayed', 'stalled'] as const) {
    events.on(name, ({ jobId }: { jobId: string }) => {
      seen[name].push(jobId);
      news.emit('news');
    });
  }
  onTestFinished(async () => {
    await events.close();
    connection.disconnect();
  });
  return async (name: JobEvent, count: number): Promise<string | undefined> => {
    while (seen[name].length < count) await once(news, 'news');
    return seen[name][count - 1];
  };
}

/** A `process` that holds each job until the test says how it ends. */
export function gatedProcess() {
  const gates: { readonly data: unknown; readonly end: (verdict: JobVerdict) => void }[] = [];
  const starts = new EventEmitter();
  return {
    process: (data: unknown) =>
      new Promise<JobVerdict>((resolve) => {
        gates.push({ data, end: resolve });
        starts.emit('started');
      }),
    gates,
    /** The `count`-th run, once it has started. */
    started: async (count: number) => {
      for (;;) {
        const gate = gates[count - 1];
        if (gate !== undefined) return gate;
        await once(starts, 'started');
      }
    },
  };
}

let second = 0;
/** A push of `tag`; no two have the same time. */
export function pushOf(tag: string): SignJob {
  second += 1;
  const receivedAt = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  return {
    version: 1,
    registry: 'lab',
    repository: 'prod/app',
    tag,
    lane: 'push',
    cause: { kind: 'push', receivedAt },
  };
}

export const done: JobVerdict = { next: 'done', outcome: { status: 'no-rule', reason: 'No rule wants this image.' } };
