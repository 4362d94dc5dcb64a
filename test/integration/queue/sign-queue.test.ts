import { EventEmitter, once } from 'node:events';
import { Queue, Worker } from 'bullmq';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { closeConnection, connectProducer, connectWorker } from '../../../src/queue/connection.ts';
import { signJobOptions, signQueueName } from '../../../src/queue/job-options.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createSignQueue, type SignQueue } from '../../../src/queue/sign-queue.ts';
import { uniquePrefix } from '../../support/names.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function openQueue(prefix: string): { queue: SignQueue; inspect: Queue<SignJob> } {
  const redis = connectProducer({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const queue = createSignQueue({ redis, prefix, timeoutMs: 5_000 });
  const inspect = new Queue<SignJob>(signQueueName, { connection: redis, prefix });
  cleanups.push(async () => {
    await inspect.obliterate({ force: true });
    await inspect.close();
    await queue.close();
    await closeConnection(redis);
  });
  return { queue, inspect };
}

/** A worker that holds each job until it is told how it ends. */
function openWorker(prefix: string) {
  const runs: SignJob[] = [];
  const gates: { end: () => void; fail: (error: Error) => void }[] = [];
  const starts = new EventEmitter();
  const connection = connectWorker({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const worker = new Worker<SignJob, string>(
    signQueueName,
    async (job) => {
      runs.push(job.data);
      await new Promise<void>((resolve, reject) => {
        gates.push({ end: resolve, fail: reject });
        starts.emit('started');
      });
      return 'done';
    },
    { connection, prefix },
  );
  worker.on('error', () => undefined);
  cleanups.push(async () => {
    for (const gate of gates) gate.end();
    await worker.close(true);
    await closeConnection(connection);
  });
  const started = async (count: number) => {
    while (gates.length < count) await once(starts, 'started');
    return gates[count - 1] as { end: () => void; fail: (error: Error) => void };
  };
  return { worker, runs, started };
}

let second = 0;
function jobFor(tag: string, lane: SignJob['lane'] = 'push'): SignJob {
  second += 1;
  const at = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  const cause =
    lane === 'push' ? { kind: 'push' as const, receivedAt: at } : { kind: 'backfill' as const, requestedAt: at };
  return { version: 1, registry: 'lab', repository: 'prod/app', tag, lane, cause };
}

describe('adding a sign job', () => {
  test('stores the coordinates, the attempts and the back-off', async () => {
    const { queue, inspect } = openQueue(uniquePrefix());
    const job = jobFor('v1');
    const { id } = await queue.add(job);
    const stored = await inspect.getJob(id);
    expect(stored?.data).toEqual(job);
    expect(stored?.opts).toMatchObject({ attempts: 12, backoff: { type: 'custom' } });
    expect(stored?.opts.removeOnFail).toEqual({ count: 100_000 });
  });

  test('runs what goes first before it, and adds nothing when that fails', async () => {
    const { queue, inspect } = openQueue(uniquePrefix());
    const failing = queue.add(jobFor('v1'), async () => {
      expect(await inspect.count()).toBe(0);
      throw new Error('no mark');
    });
    await expect(failing).rejects.toMatchObject({ code: 'redis-unreachable' });
    expect(await inspect.count()).toBe(0);
  });

  test('is dropped while the same tag waits, and merged into the job that waits', async () => {
    const { queue, inspect } = openQueue(uniquePrefix());
    const first = await queue.add(jobFor('v1'));
    const secondAdd = await queue.add(jobFor('v1'));
    expect(secondAdd.id).toBe(first.id);
    expect(await inspect.getWaitingCount()).toBe(1);
  });

  test('a hundred times at once queues one job', async () => {
    const { queue, inspect } = openQueue(uniquePrefix());
    const added = await Promise.all(Array.from({ length: 100 }, () => queue.add(jobFor('v1'))));
    expect(new Set(added.map(({ id }) => id)).size).toBe(1);
    expect(await inspect.getWaitingCount()).toBe(1);
  });

  test('five times while the tag runs gives exactly one more run, with the last data', async () => {
    const prefix = uniquePrefix();
    const { queue, inspect } = openQueue(prefix);
    const { worker, runs, started } = openWorker(prefix);
    await queue.add(jobFor('v1'));
    const first = await started(1);
    const later = Array.from({ length: 5 }, () => jobFor('v1'));
    for (const job of later) await queue.add(job);
    first.end();
    const next = await started(2);
    const drained = once(worker, 'drained');
    next.end();
    await drained;
    expect(runs).toHaveLength(2);
    expect(runs[1]).toEqual(later[4]);
    expect(await inspect.count()).toBe(0);
  });

  test('while the tag runs keeps the push also when that run fails for good', async () => {
    const prefix = uniquePrefix();
    const { queue, inspect } = openQueue(prefix);
    const { runs, started } = openWorker(prefix);
    // The same options with one attempt: the first run is the last one.
    await inspect.add('push', jobFor('v1'), { ...signJobOptions(jobFor('v1')), attempts: 1 });
    const first = await started(1);
    const later = jobFor('v1');
    await queue.add(later);
    first.fail(new Error('the end'));
    (await started(2)).end();
    expect(runs[1]).toEqual(later);
    expect(await inspect.getFailedCount()).toBe(1);
  });

  test('replaces a job that sleeps between attempts, so the new push does not wait', async () => {
    const prefix = uniquePrefix();
    const { queue, inspect } = openQueue(prefix);
    const { worker, runs, started } = openWorker(prefix);
    const slow = jobFor('v1');
    await inspect.add('push', slow, { ...signJobOptions(slow), backoff: { type: 'fixed', delay: 3_600_000 } });
    const failed = once(worker, 'failed');
    (await started(1)).fail(new Error('once more'));
    await failed;
    expect(await inspect.getDelayedCount()).toBe(1);
    const fresh = jobFor('v1');
    await queue.add(fresh);
    (await started(2)).end();
    expect(runs[1]).toEqual(fresh);
    expect(await inspect.getDelayedCount()).toBe(0);
  });

  test('runs again after the first one is done', async () => {
    const prefix = uniquePrefix();
    const { queue } = openQueue(prefix);
    const { worker, runs, started } = openWorker(prefix);
    await queue.add(jobFor('v1'));
    const completed = once(worker, 'completed');
    (await started(1)).end();
    await completed;
    await queue.add(jobFor('v1'));
    (await started(2)).end();
    expect(runs).toHaveLength(2);
  });

  test('keeps lanes and tags apart, and serves pushes before an earlier backfill', async () => {
    const prefix = uniquePrefix();
    const { queue, inspect } = openQueue(prefix);
    await queue.add(jobFor('v1', 'backfill'));
    await queue.add(jobFor('v2', 'backfill'));
    await queue.add(jobFor('v1'));
    await queue.add(jobFor('v3'));
    expect(await inspect.getJobCounts('waiting', 'prioritized')).toEqual({ waiting: 2, prioritized: 2 });
    const { runs, started } = openWorker(prefix);
    for (const count of [1, 2, 3, 4]) (await started(count)).end();
    expect(runs.map(({ lane, tag }) => `${lane} ${tag}`)).toEqual(['push v1', 'push v3', 'backfill v1', 'backfill v2']);
  });

  test('while a backfill of the tag runs starts a run of its own', async () => {
    const prefix = uniquePrefix();
    const { queue, inspect } = openQueue(prefix);
    const { started } = openWorker(prefix);
    await queue.add(jobFor('v1', 'backfill'));
    await started(1);
    await queue.add(jobFor('v1'));
    expect(await inspect.getWaitingCount()).toBe(1);
  });
});

describe('the check of Redis', () => {
  test('says that it is reachable and evicts nothing', async () => {
    const { queue } = openQueue(uniquePrefix());
    expect(await queue.check()).toEqual({ reachable: true, noeviction: true });
  });
});
