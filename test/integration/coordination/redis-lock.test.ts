import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createRedisLock, type RedisLockOptions } from '../../../src/coordination/redis-lock.ts';
import type { SubjectLock } from '../../../src/ports/subject-lock.ts';
import { openStore } from './open-store.ts';

/** A lock as another worker has it: its own connection, the same prefix. */
function lockOf(
  store: Pick<RedisLockOptions, 'redis' | 'prefix'>,
  times: Partial<Pick<RedisLockOptions, 'leaseMs' | 'deadlineMs' | 'waitMs'>> = {},
): SubjectLock {
  return createRedisLock({ leaseMs: 20_000, deadlineMs: 10_000, waitMs: 20_000, ...store, ...times });
}

/** Takes the lock and keeps it until told otherwise, deaf to the signal. */
async function keep(lock: SubjectLock, name: string) {
  const taken = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const held = lock.hold(name, async () => {
    taken.resolve();
    await gate.promise;
  });
  held.catch(() => undefined);
  await taken.promise;
  return { held, letGo: gate.resolve };
}

test('of many workers never two hold the lock at once, and each gets its turn', async () => {
  const store = openStore();
  const others = [openStore(), openStore()];
  const locks = [lockOf(store), ...others.map(({ redis }) => lockOf({ redis, prefix: store.prefix }))];
  let inside = 0;
  let most = 0;
  const work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await store.redis.ping();
    inside -= 1;
    return 'mine';
  };
  const turns = Array.from({ length: 12 }, (_, number) => locks[number % locks.length]?.hold('image', work));
  expect(await Promise.all(turns)).toEqual(Array.from({ length: 12 }, () => 'mine'));
  expect(most).toBe(1);
});

test('different names do not wait for each other', async () => {
  const lock = lockOf(openStore(), { waitMs: 0 });
  expect(await lock.hold('one', () => lock.hold('two', async () => 'both'))).toBe('both');
});

test('is free again after the work, also when the work failed, and its own error comes through', async () => {
  const lock = lockOf(openStore(), { waitMs: 0 });
  const failure = new Error('the registry said no');
  await expect(lock.hold('image', () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await lock.hold('image', async () => 'next')).toBe('next');
});

test('gives up with lock-lost when the lock is not free in time, without starting the work', async () => {
  const store = openStore();
  const { held, letGo } = await keep(lockOf(store), 'image');
  let started = false;
  const late = lockOf(store, { waitMs: 150 }).hold('image', async () => {
    started = true;
  });
  await expect(late).rejects.toMatchObject({ code: 'lock-lost', message: expect.stringContaining('150 ms') });
  expect(started).toBe(false);
  letGo();
  await held;
});

test('lets another one in when the lease of a holder has ended', async () => {
  const store = openStore();
  const frozen = await keep(lockOf(store, { leaseMs: 200, deadlineMs: 10_000 }), 'image');
  expect(await lockOf(store).hold('image', async () => 'taken over')).toBe('taken over');
  frozen.letGo();
});

test('aborts the signal at the deadline and gives lock-lost', async () => {
  const lock = lockOf(openStore(), { deadlineMs: 100 });
  const startedAt = performance.now();
  const overlong = lock.hold('image', (signal) => sleep(30_000, undefined, { signal }));
  await expect(overlong).rejects.toMatchObject({ code: 'lock-lost', message: expect.stringContaining('100 ms') });
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(await lock.hold('image', async () => 'free')).toBe('free');
});

test('calls work lost that ended only after the deadline, as it may not have been alone', async () => {
  const lock = lockOf(openStore(), { deadlineMs: 50 });
  const deaf = lock.hold('image', async (signal) => {
    await once(signal, 'abort');
    return 'done';
  });
  await expect(deaf).rejects.toMatchObject({ code: 'lock-lost' });
});

test('tells by the clock that the lock is lost, before any timer has run', async () => {
  const lock = lockOf(openStore(), { deadlineMs: 100 });
  const frozen = lock.hold('image', async (signal, assertHeld) => {
    assertHeld();
    // Nothing else of this process runs meanwhile, as after SIGSTOP.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
    expect(signal.aborted).toBe(false);
    assertHeld();
  });
  await expect(frozen).rejects.toMatchObject({ code: 'lock-lost' });
});

test('a holder that comes late does not release the lock of the next one', async () => {
  const store = openStore();
  const late = await keep(lockOf(store, { leaseMs: 100, deadlineMs: 10_000 }), 'image');
  const next = await keep(lockOf(store), 'image');
  late.letGo();
  await late.held;
  const third = lockOf(store, { waitMs: 0 }).hold('image', async () => 'too early');
  await expect(third).rejects.toMatchObject({ code: 'lock-lost' });
  next.letGo();
  await next.held;
});
