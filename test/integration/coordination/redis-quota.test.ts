import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { createRedisQuota, type RedisQuotaOptions } from '../../../src/coordination/redis-quota.ts';
import type { QuotaScope } from '../../../src/ports/quota.ts';
import { openStore } from './open-store.ts';
import { mostInASecond } from './virtual-quota.ts';

const scopeOf = (perSecond: number, perDay?: number): QuotaScope => ({
  name: '1234567890123456/cn-x',
  perSecond,
  perDay,
});

/** The quota as a worker has it: its own connection, the prefix of the store. */
function quotaOf(store: ReturnType<typeof openStore>, options: Partial<RedisQuotaOptions> = {}) {
  const { redis } = openStore();
  const quota = createRedisQuota({ redis, prefix: store.prefix, ...options });
  onTestFinished(() => quota.close());
  return quota;
}

test('three workers together never make more calls in a second than the limit', async () => {
  const store = openStore();
  const workers = [quotaOf(store), quotaOf(store), quotaOf(store)];
  const calledAt: number[] = [];
  const call = async (worker: number) => {
    const place = await workers[worker % workers.length]?.take(scopeOf(25), worker % 2 === 0 ? 'push' : 'backfill');
    await sleep(Math.random() * 20);
    calledAt.push(performance.now());
    await sleep(Math.random() * 20);
    place?.finish('ended');
  };
  await Promise.all(Array.from({ length: 70 }, (_, index) => call(index)));
  expect(calledAt).toHaveLength(70);
  expect(mostInASecond(calledAt)).toBeLessThanOrEqual(25);
});

test('callers that come together share requests to Redis, and each is told whether it waited', async () => {
  const store = openStore();
  const { redis } = openStore();
  let requests = 0;
  const counted = new Proxy(redis, {
    get: (target, name) => {
      if (name === 'eval') requests += 1;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const taken: number[] = [];
  const onTaken = ({ waitedMs }: { waitedMs: number }) => void taken.push(waitedMs);
  const quota = quotaOf(store, { redis: counted, onTaken });
  const places = await Promise.all(Array.from({ length: 20 }, () => quota.take(scopeOf(100), 'push')));
  expect(requests).toBeLessThanOrEqual(2);
  expect(places.filter(({ waited }) => waited).length).toBeGreaterThanOrEqual(10);
  expect(places[0]?.waited).toBe(false);
  expect(taken).toHaveLength(20);
});

test('a place that is not needed goes to who waits for it', async () => {
  const store = openStore();
  const [one, other] = [quotaOf(store), quotaOf(store)];
  const place = await one.take(scopeOf(1), 'push');
  const waiting = other.take(scopeOf(1), 'push');
  place.finish('unused');
  // Not after the half minute for which a place is held whose call never ends.
  expect((await waiting).waited).toBe(true);
});

test('a throttled call slows down another worker, and both tell their limit', async () => {
  const store = openStore();
  const limits: number[] = [];
  const [one, other] = [quotaOf(store), quotaOf(store, { onLimit: ({ perSecond }) => void limits.push(perSecond) })];
  (await one.take(scopeOf(100), 'push')).finish('throttled');
  await one.close();
  await other.take(scopeOf(100), 'push');
  expect(limits[0]).toBeLessThan(80);
});

test('the first word about a place counts', async () => {
  const store = openStore();
  const quota = quotaOf(store);
  const place = await quota.take(scopeOf(1), 'push');
  place.finish('ended');
  place.finish('unused');
  const startedAt = performance.now();
  await quota.take(scopeOf(1), 'push');
  expect(performance.now() - startedAt).toBeGreaterThan(900);
});

test('when the calls of the day are used up, whoever wants one is told so and until when', async () => {
  const quota = quotaOf(openStore());
  await quota.take(scopeOf(100, 1), 'push');
  const error = await quota.take(scopeOf(100, 1), 'push').catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'kms-quota-used', kind: 'surroundings', scope: 'key' });
  expect((error as Error).message).toMatch(/1 calls .* 1234567890123456\/cn-x .*perDay.* until midnight UTC/);
  const { retryAfterMs } = error as { retryAfterMs?: number };
  const midnight = new Date().setUTCHours(24, 0, 0, 0);
  expect(Math.abs(Date.now() + (retryAfterMs ?? 0) - midnight)).toBeLessThan(60_000);
});

test('what is kept for live pushes is refused to the others alone, and pauses no key', async () => {
  const quota = quotaOf(openStore());
  await quota.take(scopeOf(100, 2), 'backfill');
  const error = await quota.take(scopeOf(100, 2), 'backfill').catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'kms-quota-kept', kind: 'surroundings', scope: 'process' });
  expect((error as Error).message).toMatch(/2 calls .* kept for live pushes.* until midnight UTC/);
  expect((error as { retryAfterMs?: number }).retryAfterMs).toBeGreaterThan(0);
  await quota.take(scopeOf(100, 2), 'push');
});

test('a place that ended while Redis was away for a moment is told of afterwards', async () => {
  const store = openStore();
  const { redis } = openStore();
  let isAway = false;
  const failing = new Proxy(redis, {
    get: (target, name) => {
      if (name === 'eval' && isAway) return () => Promise.reject(new Error('away'));
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const [one, other] = [quotaOf(store, { redis: failing }), quotaOf(store)];
  const place = await one.take(scopeOf(1), 'push');
  isAway = true;
  place.finish('unused');
  await expect(one.take(scopeOf(1), 'push')).rejects.toMatchObject({ code: 'redis-unreachable' });
  isAway = false;
  await one.close();
  const startedAt = performance.now();
  await other.take(scopeOf(1), 'push');
  // Not after the half minute for which a place is held whose call never ends.
  expect(performance.now() - startedAt).toBeLessThan(20_000);
});

describe('without Redis', () => {
  test('no place is given, and all who wait are told', async () => {
    const redis = new Redis(`redis://127.0.0.1:${await freePort()}`, {
      maxRetriesPerRequest: 0,
      retryStrategy: () => 1_000,
    });
    redis.on('error', () => undefined);
    onTestFinished(() => redis.disconnect());
    const quota = createRedisQuota({ redis, prefix: '{outage}' });
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => quota.take(scopeOf(1), 'push')));
    for (const one of all) expect(one).toMatchObject({ reason: { code: 'redis-unreachable' } });
    await quota.close();
  });
});
