import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { done, gatedProcess, openQueue, pushOf } from './open-queue.ts';

/** A queue in a Redis that can lose its data without harm to other tests. */
async function open() {
  const server = await startRedis({ appendOnly: false });
  const redis = new Redis(server.url);
  onTestFinished(async () => {
    redis.disconnect();
    await server.stop();
  });
  return { ...openQueue(server.url), redis };
}

const tagOf = (data: unknown) => (data as SignJob).tag;

test('a worker whose job runs while Redis loses its data ends that job, and goes on with what is queued then', async () => {
  const { queue, startWorker, redis, log, inspect } = await open();
  const { process, started, gates } = gatedProcess();
  startWorker(process);
  await queue.add(pushOf('running'));
  await queue.add(pushOf('waiting'));
  const running = await started(1);
  await redis.flushall();
  // The same tag, as nothing is known of the one that runs; and the ids begin at 1 again.
  await queue.add(pushOf('running'));
  running.end(done);
  const again = await started(2);
  expect(tagOf(again.data)).toBe('running');
  again.end(done);
  await queue.add(pushOf('later'));
  const later = await started(3);
  expect(tagOf(later.data)).toBe('later');
  later.end(done);
  await waitUntil(
    () => inspect.getJobCounts('completed', 'active', 'waiting', 'delayed', 'failed'),
    (counts) => counts['completed'] === 2,
  );
  expect(await inspect.getJobCounts('active', 'waiting', 'delayed', 'failed')).toEqual({
    active: 0,
    waiting: 0,
    delayed: 0,
    failed: 0,
  });
  expect(gates).toHaveLength(3);
  expect(log.filter(({ level }) => level === 'fatal')).toEqual([]);
});

test.each(['sleep', 'retry', 'give-up'] as const)(
  'a job that ends in %s after the loss does not come back, and harms no other',
  async (next) => {
    const { queue, startWorker, redis } = await open();
    const { process, started, gates } = gatedProcess();
    startWorker(process);
    await queue.add(pushOf('running'));
    const running = await started(1);
    await redis.flushall();
    const { AutosignError } = await import('../../../src/domain/errors.ts');
    const error = new AutosignError('registry-unreachable', 'down');
    running.end(next === 'sleep' ? { next, outcome: undefined, reason: 'paused', afterMs: 10 } : { next, error });
    await queue.add(pushOf('later'));
    const later = await started(2);
    expect(tagOf(later.data)).toBe('later');
    later.end(done);
    await queue.add(pushOf('last'));
    (await started(3)).end(done);
    expect(gates.map(({ data }) => tagOf(data))).toEqual(['running', 'later', 'last']);
  },
);

test('a worker that waits for jobs while Redis loses its data takes the next one at once', async () => {
  const { queue, startWorker, redis, until } = await open();
  const { process, started } = gatedProcess();
  startWorker(process);
  await queue.add(pushOf('before'));
  (await started(1)).end(done);
  await until('completed');
  await redis.flushall();
  await queue.add(pushOf('after'));
  expect(tagOf((await started(2)).data)).toBe('after');
  (await started(2)).end(done);
});
