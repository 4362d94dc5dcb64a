import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { createLeases, type Lease } from '../../../src/coordination/lease.ts';
import { openStore } from './open-store.ts';

const times = { leaseMs: 600, renewMs: 100 };

function open(more: Partial<typeof times> = {}) {
  const store = openStore();
  const leases = createLeases({ ...store, ...times, ...more });
  const take = async (name = 'work'): Promise<Lease> => {
    const lease = await leases.take(name);
    if (lease === undefined) throw new Error('the lease is not free');
    onTestFinished(() => lease.release());
    return lease;
  };
  return { ...store, leases, take };
}

const lost = (lease: Lease) => (lease.signal.aborted ? Promise.resolve() : once(lease.signal, 'abort'));

test('one of many gets it, and the next when it is let go', async () => {
  const { leases, take } = open();
  const taken = await Promise.all(Array.from({ length: 20 }, () => leases.take('work')));
  const held = taken.filter((lease) => lease !== undefined);
  expect(held).toHaveLength(1);
  await held[0]?.release();
  expect((await take()).signal.aborted).toBe(false);
});

test('different names are different leases', async () => {
  const { take } = open();
  await take('one');
  await expect(take('two')).resolves.toBeDefined();
});

test('is held for longer than its time while it is renewed', async () => {
  const { leases, take, redis } = open();
  const lease = await take();
  await lost({ ...lease, signal: AbortSignal.any([lease.signal, AbortSignal.timeout(3 * times.leaseMs)]) });
  expect(lease.signal.aborted).toBe(false);
  expect(await leases.take('work')).toBeUndefined();
  expect(await redis.get(lease.key)).toBe(lease.owner);
});

test('is lost with the data of Redis, and its holder is told', async () => {
  const { take, redis } = open();
  const lease = await take();
  await redis.del(lease.key);
  await lost(lease);
  expect(lease.signal.reason).toMatchObject({ code: 'lock-lost', message: expect.stringContaining('lost its data') });
});

test('is lost to another holder, whose lease it neither renews nor lets go', async () => {
  const { take, redis } = open();
  const lease = await take();
  await redis.set(lease.key, 'another one', 'PX', 60_000);
  await lost(lease);
  await lease.release();
  expect(await redis.get(lease.key)).toBe('another one');
});

test('is lost before it ends when Redis does not answer', async () => {
  const { leases, redis, prefix, take: takeNext } = open();
  const other = redis.duplicate();
  onTestFinished(() => other.disconnect());
  const lease = await createLeases({ redis: other, prefix, ...times }).take('work');
  other.disconnect();
  if (lease === undefined) throw new Error('the lease is not free');
  await lost(lease);
  expect(lease.signal.reason).toMatchObject({ code: 'lock-lost' });
  // Redis has not given it away yet.
  expect(await leases.take('work')).toBeUndefined();
  await once(AbortSignal.timeout(times.leaseMs), 'abort');
  await expect(takeNext()).resolves.toBeDefined();
});

test('one that was let go is renewed no more and never lost', async () => {
  const { take, redis } = open();
  const lease = await take();
  await lease.release();
  expect(await redis.exists(lease.key)).toBe(0);
  await once(AbortSignal.timeout(2 * times.leaseMs), 'abort');
  expect(lease.signal.aborted).toBe(false);
});
