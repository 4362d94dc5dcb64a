import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type RunningRedisCluster, startRedisCluster } from '../../../infra/processes/start-redis-cluster.ts';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createIntentStore } from '../../../src/coordination/intent-store.ts';
import { createLeases } from '../../../src/coordination/lease.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { createReconcileSchedule } from '../../../src/coordination/reconcile-schedule.ts';
import type { RedisConnection } from '../../../src/coordination/redis-connection.ts';
import { createRedisLock } from '../../../src/coordination/redis-lock.ts';
import { createRedisQuota } from '../../../src/coordination/redis-quota.ts';
import { shardPrefixes } from '../../../src/coordination/shards.ts';
import { digestOf, sha256Hex } from '../../../src/domain/digest.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { uniquePrefix } from '../../support/names.ts';

const rule = 'a'.repeat(64);
const dayMs = 24 * 3_600_000;
const digest = digestOf(Buffer.from('image'));
const numbers = Array.from({ length: 50 }, (_, number) => number);
const imageOf = (number: number) => ({ registry: 'lab', repository: `prod/app-${number}`, tag: 'v1' });

describe('on a cluster', () => {
  let cluster: RunningRedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());

  function open(): { readonly redis: RedisConnection; readonly prefix: string } {
    const redis = connectStore({ redisUrl: cluster.url, onError: () => undefined });
    onTestFinished(() => closeConnection(redis));
    return { redis, prefix: uniquePrefix('cluster') };
  }

  /** Under how many of its prefixes something is kept. */
  async function spread({ redis, prefix }: ReturnType<typeof open>): Promise<number> {
    const primaries = 'nodes' in redis ? redis.nodes('master') : [];
    const keys = (await Promise.all(primaries.map((node) => node.keys('*')))).flat();
    return shardPrefixes(redis, prefix).filter((each) => keys.some((key) => key.startsWith(`${each}:`))).length;
  }

  test('stored artifacts are spread, and each is stored once', async () => {
    const store = open();
    const intents = createIntentStore({ ...store, keepMs: 60_000 });
    for (const number of numbers) await intents.putIfAbsent(sha256Hex(`${number}`), Buffer.from(`first ${number}`));
    for (const number of numbers) {
      const kept = await intents.putIfAbsent(sha256Hex(`${number}`), Buffer.from('second'));
      expect(Buffer.from(kept).toString()).toBe(`first ${number}`);
    }
    expect(await spread(store)).toBeGreaterThan(20);
  });

  test('marks of pushes are spread, and each is found and cleared', async () => {
    const store = open();
    const marks = createPushMarks(store);
    for (const number of numbers) await marks.mark(imageOf(number), 'rules');
    expect(await spread(store)).toBeGreaterThan(20);
    for (const number of numbers) {
      const mark = await marks.read(imageOf(number));
      if (mark === undefined) throw new Error('no mark');
      await marks.clear(imageOf(number), mark);
      expect(await marks.read(imageOf(number))).toBeUndefined();
    }
    expect(await spread(store)).toBe(0);
  });

  test('a baseline leaves out every tag whose push was announced, wherever its mark is', async () => {
    const store = open();
    const [marks, baseline] = [createPushMarks(store), createBaselineStore(store)];
    const walk = await baseline.begin(rule, 'lab');
    for (const number of numbers) await baseline.enter(rule, imageOf(number), digest);
    const pushed = numbers.filter((number) => number % 2 === 0);
    for (const number of pushed) await marks.mark(imageOf(number), 'rules');
    expect(await baseline.complete(rule, 'lab', walk)).toBe(true);
    const standing = await Promise.all(numbers.map((number) => baseline.standing(rule, imageOf(number), digest)));
    expect(standing).toEqual(numbers.map((number) => (pushed.includes(number) ? 'new' : 'existing')));
    for (const number of pushed) expect(await marks.read(imageOf(number))).toBeDefined();
  });

  test('a baseline drops marks that outlived ninety days, and what is no mark, wherever they are', async () => {
    const store = open();
    const [marks, baseline] = [createPushMarks(store), createBaselineStore(store)];
    for (const prefix of shardPrefixes(store.redis, store.prefix)) {
      await store.redis.hset(`${prefix}:pushed:lab`, 'prod/old:v1', `${Math.round(Date.now() - 91 * dayMs)}-x`);
      await store.redis.hset(`${prefix}:pushed:lab`, 'prod/garbled:v1', 'no time at all');
    }
    const image = (name: string) => ({ registry: 'lab', repository: `prod/${name}`, tag: 'v1' });
    const walk = await baseline.begin(rule, 'lab');
    for (const name of ['old', 'garbled', 'young']) await baseline.enter(rule, image(name), digest);
    await marks.mark(image('young'), 'rules');
    await baseline.complete(rule, 'lab', walk);
    expect(await baseline.standing(rule, image('old'), digest)).toBe('existing');
    expect(await baseline.standing(rule, image('garbled'), digest)).toBe('existing');
    expect(await baseline.standing(rule, image('young'), digest)).toBe('new');
    expect(await marks.read(image('old'))).toBeUndefined();
    // Of the hashes that held nothing else, none is left.
    expect(await spread(store)).toBeLessThanOrEqual(2);
  });

  test('a baseline is not completed by a walk whose entries are gone', async () => {
    const store = open();
    const baseline = createBaselineStore(store);
    await baseline.begin(rule, 'lab');
    expect(await baseline.complete(rule, 'lab', 'another walk')).toBe(false);
    expect(await baseline.isComplete(rule, 'lab')).toBe(false);
  });

  test('a lock keeps others out by its name alone', async () => {
    const lock = createRedisLock({ ...open(), leaseMs: 10_000, deadlineMs: 5_000, waitMs: 10_000 });
    let [inside, most] = [0, 0];
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside -= 1;
    };
    await Promise.all(numbers.slice(0, 10).map(() => lock.hold('lab/prod/app@sha256:1', work)));
    expect(most).toBe(1);
  });

  test('the quota of an account is one for all workers, wherever it is kept', async () => {
    const store = open();
    const workers = [store, open(), open()].map(({ redis }) => createRedisQuota({ redis, prefix: store.prefix }));
    const scopes = [1, 2, 3].map((number) => ({ name: `${number}/cn-x`, perSecond: 100, perDay: 5 }));
    for (const scope of scopes) {
      const asked = numbers.slice(0, 9).map((number) => workers[number % 3]?.take(scope, 'push'));
      const given = (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled');
      expect(given).toHaveLength(5);
    }
    await Promise.all(workers.map((worker) => worker.close()));
  });

  test('leases and the schedule of reconciles stay together, and their time never goes back', async () => {
    const store = open();
    const leases = createLeases({ ...store, leaseMs: 10_000, renewMs: 1_000 });
    const schedule = createReconcileSchedule(store);
    const lease = await leases.take('reconcile:lab');
    if (lease === undefined) throw new Error('no lease');
    onTestFinished(() => lease.release());
    expect(await leases.take('reconcile:lab')).toBeUndefined();
    const times = [];
    for (let index = 0; index < 20; index += 1) times.push(await schedule.now());
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
    const [startedAt = 0] = times;
    const run = { startedAt, finishedAt: startedAt + 1 };
    expect(await schedule.finish(lease, { registry: 'lab', rulesHash: 'x', run, restMs: 60_000 })).toBe(true);
    expect(await schedule.isDue('lab', 'x')).toBe(false);
    await schedule.want('lab', await schedule.now());
    expect(await schedule.isDue('lab', 'x')).toBe(true);
  });

  test.each([
    ['ahead by a second, as that of a machine that was in its place', 1_000_000, true],
    ['ahead by a day, which no clock is', 24 * 3_600_000_000, false],
  ])('a clock that was %s', async (_name, aheadMicroseconds, counts) => {
    const store = open();
    const schedule = createReconcileSchedule(store);
    const before = await schedule.now();
    await store.redis.set(`${store.prefix}:reconcile-clock`, String(before + aheadMicroseconds));
    const after = await schedule.now();
    expect(after).toBeGreaterThan(before);
    expect(after > before + aheadMicroseconds).toBe(counts);
  });
});
