import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createBackfillLane } from '../../../src/queue/backfill-lane.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { gatedProcess, openQueue, pushOf } from '../worker/open-queue.ts';

const never = new AbortController().signal;

function jobOf(tag: string, kind: 'reconcile' | 'backfill' = 'reconcile'): SignJob {
  const requestedAt = new Date().toISOString();
  return { ...pushOf(tag), lane: 'backfill', cause: { kind, requestedAt } };
}

describe('the backfill lane', () => {
  test('never holds more than it may, and takes the rest as room is made', async () => {
    const { queue, inspect, startWorker, until } = openQueue();
    const lane = createBackfillLane({ queue, waitingMax: 10, pollMs: 5 });
    const tags = Array.from({ length: 30 }, (_, number) => `v${number}`);
    const added = Promise.all(tags.map((tag) => lane.add(jobOf(tag), never)));
    let most = 0;
    const watch = setInterval(async () => {
      most = Math.max(most, await inspect.getPrioritizedCount());
    }, 2);
    try {
      while ((await inspect.getPrioritizedCount()) < 10) await sleep(5);
      await sleep(100);
      expect(await inspect.getPrioritizedCount()).toBe(10);
      startWorker(async () => ({ next: 'done', outcome: { status: 'no-rule', reason: 'none' } }));
      await added;
      await until('completed', 30);
      expect(most).toBeLessThanOrEqual(10);
    } finally {
      clearInterval(watch);
    }
  });

  test('is behind live pushes, which do not count as waiting in it', async () => {
    const { queue, startWorker } = openQueue();
    const lane = createBackfillLane({ queue, waitingMax: 1, pollMs: 5 });
    for (let number = 0; number < 5; number += 1) await queue.add(pushOf(`live${number}`));
    await lane.add(jobOf('old'), never);
    await queue.add(pushOf('late'));
    const { process, started } = gatedProcess();
    startWorker(process);
    const order: string[] = [];
    for (let number = 1; number <= 7; number += 1) {
      const gate = await started(number);
      order.push((gate.data as SignJob).tag);
      gate.end({ next: 'done', outcome: { status: 'no-rule', reason: 'none' } });
    }
    expect(order).toEqual(['live0', 'live1', 'live2', 'live3', 'live4', 'late', 'old']);
  });

  test('a wait for room ends when it is told to, and the next one has its turn', async () => {
    const { queue, inspect } = openQueue();
    const lane = createBackfillLane({ queue, waitingMax: 1, pollMs: 5 });
    await lane.add(jobOf('first'), never);
    const stopping = new AbortController();
    const stopped = lane.add(jobOf('second'), stopping.signal);
    const next = lane.add(jobOf('third'), never);
    stopping.abort();
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    await inspect.drain();
    await next;
    expect((await inspect.getPrioritized()).map((job) => job.data.tag)).toEqual(['third']);
  });

  test.each(['reconcile', 'backfill'] as const)(
    'what a %s finds missing again leaves the attempts of a job that sleeps between them alone',
    async (kind) => {
      const { queue, inspect, addWith, startWorker, until } = openQueue();
      const { AutosignError } = await import('../../../src/domain/errors.ts');
      const { id } = await addWith(jobOf('v1'), { attempts: 5, backoff: 3_600_000 });
      startWorker(async () => ({ next: 'retry', error: new AutosignError('registry-unreachable', 'down') }));
      await until('delayed');
      const again = await queue.add(jobOf('v1', kind));
      expect(again.id).toBe(id);
      const [job, ...others] = await inspect.getJobs(['delayed', 'prioritized', 'waiting']);
      expect(others).toEqual([]);
      expect(job).toMatchObject({ id, attemptsMade: 1 });
    },
  );
});
