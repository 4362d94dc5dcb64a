import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { SendableDeadLetter } from '../../../src/queue/dead-letters.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { done, gatedProcess } from '../worker/open-queue.ts';
import { numbersIn, openQueues, pushOf } from './open-queues.ts';

const nameOf = (data: unknown) => (data as SignJob).repository;
const indexesOf = (places: readonly { readonly index: number }[]) => places.map(({ index }) => index);
/** A process that notes what it does, each at once. */
function noting() {
  const names: string[] = [];
  const process = async (data: unknown): Promise<JobVerdict> => {
    names.push(nameOf(data));
    return done;
  };
  return { names, process };
}
const numbers = Array.from({ length: 40 }, (_, number) => number);
const names = numbers.map((number) => `prod/app-${number}`).sort();

describe('four queues', () => {
  test('share the repositories; each of them has one queue, whatever is pushed', async () => {
    const { openProcess, prefixOf, redis } = openQueues();
    const { queue } = openProcess(4);
    const ids = await Promise.all(numbers.map((number) => queue.add(pushOf(number))));
    const again = await Promise.all(numbers.map((number) => queue.add(pushOf(number))));
    expect(again).toEqual(ids);
    const lengths = await Promise.all([0, 1, 2, 3].map((index) => redis.llen(`${prefixOf(index)}:sign:wait`)));
    expect(lengths.reduce((sum, length) => sum + length)).toBe(numbers.length);
    for (const length of lengths) expect(length).toBeGreaterThan(0);
    expect(new Set(ids.map(({ id }) => id)).size).toBe(numbers.length);
    expect(ids.filter(({ id }) => /^[1-3]-\d+$/.test(id))).toHaveLength(numbers.length - (lengths[0] ?? 0));
  });

  test('are worked on by one process, each job once', async () => {
    const { openProcess } = openQueues();
    const { queue, startWorkers } = openProcess(4);
    const { names: ran, process } = noting();
    startWorkers(process);
    await Promise.all(numbers.map((number) => queue.add(pushOf(number))));
    await waitUntil(
      async () => ran.length,
      (count) => count >= numbers.length,
    );
    expect(ran.toSorted()).toEqual(names);
  });

  test('are counted together: waiting, asleep and dead', async () => {
    const { openProcess } = openQueues();
    const { queue, depths, startWorkers } = openProcess(4);
    const workers = startWorkers(async (data) =>
      (data as SignJob).lane === 'push'
        ? { next: 'give-up', error: new AutosignError('too-large', 'no') }
        : { next: 'sleep', outcome: undefined, reason: 'paused', afterMs: 3_600_000 },
    );
    for (const number of numbers) {
      await queue.add(pushOf(number));
      await queue.add(pushOf(number, 'backfill'));
    }
    await waitUntil(
      () => depths.read(),
      ({ deadLetters, lanes }) =>
        deadLetters === 40 &&
        lanes.some(({ lane, state, count }) => lane === 'backfill' && state === 'delayed' && count === 40),
    );
    await workers.close({ timeoutMs: 5_000 });
    for (const number of numbers) await queue.add({ ...pushOf(number, 'backfill'), tag: 'v2' });
    expect(await queue.backfillWaiting()).toBe(40);
    expect(await queue.check()).toEqual({ reachable: true, noeviction: true });
  });
});

describe('a process runs as many jobs as it may, over all queues', () => {
  test('all of them of one queue when the others have none', async () => {
    const { openProcess } = openQueues();
    const { queue, queues, startWorkers } = openProcess(4);
    const { process, started, gates } = gatedProcess();
    startWorkers(process, { concurrency: 4 });
    for (const number of numbersIn(queues, 2, 6)) await queue.add(pushOf(number));
    await started(4);
    await sleep(200);
    expect(gates).toHaveLength(4);
    for (const gate of gates) gate.end(done);
    for (const count of [5, 6]) (await started(count)).end(done);
  });

  test('one queue that is full holds up another only until its next job ends', async () => {
    const { openProcess } = openQueues();
    const { queue, queues, startWorkers } = openProcess(2);
    const { process, started, gates } = gatedProcess();
    startWorkers(process, { concurrency: 2 });
    const [busy, other] = [numbersIn(queues, 0, 8), numbersIn(queues, 1, 1)];
    for (const number of busy) await queue.add(pushOf(number));
    const first = await started(2);
    for (const number of other) await queue.add(pushOf(number));
    // Taken, and waiting for a place: the job of the other queue, and none of the full one.
    await waitUntil(
      () => openProcess(2).depths.read(),
      ({ lanes }) => lanes.some(({ lane, state, count }) => lane === 'push' && state === 'active' && count === 3),
    );
    expect(gates).toHaveLength(2);
    first.end(done);
    expect(nameOf((await started(3)).data)).toBe(`prod/app-${other[0]}`);
    for (const gate of gates) gate.end(done);
    for (let count = 4; count <= 9; count += 1) (await started(count)).end(done);
  });
});

describe('when the number of queues changes', () => {
  test.each([
    [4, 1],
    [1, 4],
    [5, 3],
    [64, 2],
  ])('from %i to %i, what the old ones hold is done, each job once', async (before, after) => {
    const { openProcess } = openQueues();
    const old = openProcess(before);
    for (const number of numbers) await old.queue.add(pushOf(number));
    const { names: ran, process } = noting();
    openProcess(after).startWorkers(process);
    await waitUntil(
      async () => ran.length,
      (count) => count >= numbers.length,
    );
    expect(ran.toSorted()).toEqual(names);
  });

  test('what receivers with the old number add meanwhile is done too, by workers that have begun', async () => {
    const { openProcess, log } = openQueues();
    const [old, current] = [openProcess(4), openProcess(2)];
    const { names: ran, process } = noting();
    current.startWorkers(process);
    await current.queue.add(pushOf(0));
    await waitUntil(
      async () => ran.length,
      (count) => count === 1,
    );
    const [late = 0] = numbersIn(old.queues, 3, 1);
    await old.queue.add({ ...pushOf(late), tag: 'late' });
    await waitUntil(
      async () => ran.length,
      (count) => count === 2,
    );
    expect(ran[1]).toBe(`prod/app-${late}`);
    expect(log.filter(({ msg }) => String(msg).includes('another count'))).toHaveLength(1);
  });

  test('an old queue is left once it was empty for a while, and taken up again when it is not', async () => {
    const { openProcess, log } = openQueues();
    const [old, current] = [openProcess(4), openProcess(1)];
    const { names: ran, process } = noting();
    current.startWorkers(process, { leaveAfterMs: 1_000 });
    const [late = 0] = numbersIn(old.queues, 3, 1);
    const left = () => log.filter(({ msg }) => String(msg).includes('leaves')).length;
    for (const round of [1, 2]) {
      await old.queue.add({ ...pushOf(late), tag: `v${round}` });
      await waitUntil(
        async () => [ran.length, left()],
        ([runs, leaves]) => runs === round && leaves === round,
      );
    }
  });

  test('those in use are the current ones, and others while they hold jobs or dead letters', async () => {
    const { openProcess, prefixOf, redis } = openQueues();
    const [old, current] = [openProcess(8), openProcess(2)];
    expect(indexesOf(await current.queues.inUse())).toEqual([0, 1]);
    const [number = 0] = numbersIn(old.queues, 5, 1);
    await old.queue.add(pushOf(number));
    await redis.zadd(`${prefixOf(7)}:sign:failed`, 1, '1');
    await redis.hset(`${prefixOf(6)}:sign:meta`, 'version', 'bullmq:6');
    const inUse = await waitUntil(
      () => current.queues.inUse(),
      (places) => places.length > 2,
    );
    expect(indexesOf(inUse)).toEqual([0, 1, 5, 7]);
  });
});

describe('the dead letters of several queues', () => {
  async function fail(count: number) {
    const setting = openQueues();
    const process = setting.openProcess(count);
    const workers = process.startWorkers(
      async () => ({ next: 'give-up', error: new AutosignError('too-large', 'no') }),
      { concurrency: 1 },
    );
    const listed = () => Array.fromAsync(process.dead.list());
    // One after the other, so that their order is known.
    for (const number of [0, 1, 2, 3, 4, 5]) {
      await process.queue.add(pushOf(number));
      await waitUntil(listed, (letters) => letters.length === number + 1);
    }
    await workers.close({ timeoutMs: 5_000 });
    return { ...setting, ...process, listed };
  }

  test('are one list from the newest to the oldest, and each is found by its id', async () => {
    const { listed, dead, queues } = await fail(4);
    const letters = await listed();
    expect(letters.map(({ job }) => job?.repository)).toEqual([5, 4, 3, 2, 1, 0].map((number) => `prod/app-${number}`));
    expect(new Set([0, 1, 2, 3, 4, 5].map((number) => queues.of(pushOf(number)).index)).size).toBeGreaterThan(1);
    for (const letter of letters) expect(await dead.get(letter.id)).toEqual(letter);
    for (const nobody of ['99-1', '3-4711', '', '-', '4711']) expect(await dead.get(nobody)).toBeUndefined();
  });

  test('go to the queue of their repository when they are sent again, also from a queue of another count', async () => {
    const { listed, openProcess, prefixOf, redis } = await fail(4);
    const now = openProcess(2);
    for (const letter of await listed()) {
      const sent = await now.dead.sendAgain(letter as SendableDeadLetter, 'push');
      expect(sent.startsWith('1-')).toBe(now.queues.of(letter.job as SignJob).index === 1);
    }
    expect(await listed()).toEqual([]);
    const waiting = await Promise.all([0, 1].map((index) => redis.llen(`${prefixOf(index)}:sign:wait`)));
    const places = [0, 1, 2, 3, 4, 5].map((number) => now.queues.of(pushOf(number)).index);
    expect(waiting).toEqual([0, 1].map((index) => places.filter((place) => place === index).length));
  });

  test('are taken away one by one', async () => {
    const { listed, dead } = await fail(4);
    const [first, ...others] = await listed();
    await dead.remove(first?.id ?? '');
    await dead.remove('99-1');
    expect(await listed()).toEqual(others);
  });
});
