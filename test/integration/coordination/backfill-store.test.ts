import { expect, test } from 'vitest';
import { createBackfillStore, nothingKept } from '../../../src/coordination/backfill-store.ts';
import { openStore } from './open-store.ts';

const startedAt = new Date('2026-01-02T03:04:05.678Z');

function open() {
  const opened = openStore();
  return { ...opened, store: createBackfillStore(opened) };
}

test('knows nothing of a backfill that has not begun, is forgotten, or has another id', async () => {
  const { redis, prefix, store } = open();
  expect(await store.load('one')).toBeUndefined();
  await store.begin('one', { startedAt, since: undefined });
  expect(await store.load('two')).toBeUndefined();
  await store.forget('one');
  expect(await store.load('one')).toBeUndefined();
  expect(await redis.keys(`${prefix}:*`)).toEqual([]);
});

test('gives back what was kept, step by step', async () => {
  const { store } = open();
  const since = new Date('2025-12-31T00:00:00Z');
  await store.begin('one', { startedAt, since });
  expect(await store.load('one')).toEqual({ ...nothingKept, startedAt, since });
  await store.save('one', {
    counts: { tags: 3, queued: 2 },
    walked: ['lab/prod/app:v1', 'lab/prod/app:v2'],
    pending: [
      ['lab/prod/app:v1', '7'],
      ['lab/prod/app:v2', '8'],
    ],
  });
  await store.save('one', {
    counts: { tags: 1, failed: 1 },
    walked: ['lab/prod/app'],
    unwalked: ['lab/prod/app:v1', 'lab/prod/app:v2'],
    ended: ['lab/prod/app:v1'],
    failures: [['lab/prod/app:v1', 'not-found']],
  });
  expect(await store.load('one')).toEqual({
    startedAt,
    since,
    counts: { ...nothingKept.counts, tags: 4, queued: 2, failed: 1 },
    walked: new Set(['lab/prod/app']),
    pending: new Map([['lab/prod/app:v2', '8']]),
    failures: new Map([['lab/prod/app:v1', 'not-found']]),
  });
});

test('a backfill that begins anew knows nothing of the one before', async () => {
  const { store } = open();
  await store.begin('one', { startedAt, since: startedAt });
  await store.save('one', { counts: { tags: 3 }, walked: ['lab/prod/app'], pending: [['lab/prod/app:v1', '7']] });
  await store.begin('one', { startedAt, since: undefined });
  expect(await store.load('one')).toEqual({ ...nothingKept, startedAt, since: undefined });
});

test('what was saved after Redis lost the data is no backfill to go on with', async () => {
  const { redis, prefix, store } = open();
  await store.begin('one', { startedAt, since: undefined });
  await redis.del(await redis.keys(`${prefix}:*`));
  await store.save('one', { counts: { tags: 3 }, walked: ['lab/prod/app'] });
  expect(await store.load('one')).toBeUndefined();
});

test.each([
  ['startedAt', 'yesterday'],
  ['tags', 'many'],
  ['since', '1'],
])('one whose %s is %s is no backfill to go on with', async (field, value) => {
  const { redis, prefix, store } = open();
  await store.begin('one', { startedAt, since: undefined });
  await redis.hset(`${prefix}:backfill:one`, field, value);
  expect(await store.load('one')).toBeUndefined();
});

test('is gone after a month, all of it', async () => {
  const { redis, prefix, store } = open();
  await store.begin('one', { startedAt, since: undefined });
  const kept = { walked: ['lab/prod/app'], pending: [['a', '1']], failures: [['b', 'x']] } as const;
  await store.save('one', kept);
  const keys = await redis.keys(`${prefix}:*`);
  expect(keys).toHaveLength(4);
  for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(29 * 24 * 3600 * 1000);
});

test('a step that Redis refuses in part is an error', async () => {
  const { redis, prefix, store } = open();
  await store.begin('one', { startedAt, since: undefined });
  await redis.set(`${prefix}:backfill:one:walked`, 'no set');
  await expect(store.save('one', { walked: ['lab/prod/app'] })).rejects.toMatchObject({ code: 'redis-unreachable' });
});
