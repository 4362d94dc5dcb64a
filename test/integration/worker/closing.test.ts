import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startProcess } from '../../../infra/processes/start-process.ts';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { done, gatedProcess, openQueue, pushOf } from './open-queue.ts';

describe('closing a worker', () => {
  test('waits for the job that runs, and takes no further one', async () => {
    const { queue, inspect, startWorker, until } = openQueue();
    const { process, started, gates } = gatedProcess();
    const worker = startWorker(process);
    const { id } = await queue.add(pushOf('v1'));
    await queue.add(pushOf('v2'));
    const running = await started(1);
    let closed = false;
    const closing = worker.close({ timeoutMs: 30_000 }).then(() => {
      closed = true;
    });
    expect(await inspect.getActiveCount()).toBe(1);
    expect(closed).toBe(false);
    running.end(done);
    await closing;
    expect(await until('completed')).toBe(id);
    expect(gates).toHaveLength(1);
    expect(await inspect.getWaitingCount()).toBe(1);
  });

  test('ends at once when nothing runs', async () => {
    const { startWorker, log } = openQueue();
    const worker = startWorker(async () => done);
    const startedAt = performance.now();
    await worker.close({ timeoutMs: 30_000 });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(log).toEqual([]);
  });

  test('a second time changes nothing', async () => {
    const { startWorker } = openQueue();
    const worker = startWorker(async () => done);
    await Promise.all([worker.close({ timeoutMs: 5_000 }), worker.close({ timeoutMs: 5_000 })]);
    await worker.close({ timeoutMs: 5_000 });
  });

  test('leaves a job that does not end in time to another worker, and what the first one says later counts for nothing', async () => {
    const { queue, startWorker, until, jobOf, log } = openQueue();
    const slow = gatedProcess();
    const worker = startWorker(slow.process);
    const { id } = await queue.add(pushOf('v1'));
    const abandoned = await slow.started(1);
    await worker.close({ timeoutMs: 100 });
    expect(log).toMatchObject([{ level: 'warn', timeoutMs: 100 }]);
    const other = gatedProcess();
    startWorker(other.process);
    const taken = await other.started(1);
    expect(taken.data).toEqual(abandoned.data);
    abandoned.end({ next: 'done', outcome: { status: 'gone', reason: 'said too late' } });
    taken.end(done);
    expect(await until('completed')).toBe(id);
    expect((await jobOf(id)).returnvalue).toMatchObject({ status: 'no-rule' });
  });

  test('ends within its time also when Redis is gone', async () => {
    const redis = await startRedis({ appendOnly: false });
    onTestFinished(() => redis.stop());
    const { startWorker, queue } = openQueue(redis.url);
    const { process, started } = gatedProcess();
    const worker = startWorker(process);
    await queue.add(pushOf('v1'));
    const running = await started(1);
    await redis.stop();
    const startedAt = performance.now();
    running.end(done);
    await worker.close({ timeoutMs: 300 });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('a worker that dies', () => {
  test('loses no job, however often: it runs again elsewhere, with all its attempts', async () => {
    const { queue, prefix, redisUrl, startWorker, until, jobOf } = openQueue();
    const { id } = await queue.add(pushOf('v1'));
    const args = [join(import.meta.dirname, 'stuck-worker.ts'), redisUrl, prefix];
    // BullMQ's own limit is one stall: the second death would have been the end of the job.
    for (const _ of [1, 2, 3]) {
      const worker = await startProcess({
        command: process.execPath,
        args,
        ready: { line: (line) => line === 'running' },
        timeoutMs: 20_000,
      });
      worker.kill('SIGKILL');
      await worker.exited;
    }
    startWorker(async () => done);
    expect(await until('completed')).toBe(id);
    expect(await until('stalled', 3)).toBe(id);
    expect((await jobOf(id)).attemptsMade).toBe(1);
  });
});

describe('a restart of Redis', () => {
  test('stops no worker: what was queued before and after it is done', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'autosign-restart-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    let redis = await startRedis({ appendOnly: true, directory });
    // Before anything that needs it, so that it goes last.
    onTestFinished(() => redis.stop());
    const { queue, startWorker, until } = openQueue(redis.url);
    const { process, started } = gatedProcess();
    startWorker(process);
    const first = await queue.add(pushOf('v1'));
    const running = await started(1);
    await redis.stop();
    running.end(done);
    redis = await startRedis({ appendOnly: true, directory, port: redis.port });
    // The end of the job is told again once the connection is back; or the job was given away and comes again.
    void started(2).then((again) => again.end(done));
    expect(await until('completed')).toBe(first.id);
    const { id } = await queue.add(pushOf('v2'));
    void started(2).then((next) => next.end(done));
    void started(3).then((next) => next.end(done));
    expect(await until('completed', 2)).toBe(id);
  });
});
