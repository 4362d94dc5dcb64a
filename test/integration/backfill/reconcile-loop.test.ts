import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { describe, expect, inject, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { type RunningRedis, startRedis } from '../../../infra/processes/start-redis.ts';
import { startRedisCluster } from '../../../infra/processes/start-redis-cluster.ts';
import type { ReconcileResult } from '../../../src/backfill/reconcile.ts';
import { openReconcile } from '../../../src/commands/open-reconcile.ts';
import { createReconcileRequests } from '../../../src/commands/reconcile-requests.ts';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { createReconcileSchedule } from '../../../src/coordination/reconcile-schedule.ts';
import { closeConnection, connectProducer, connectStore } from '../../../src/queue/connection.ts';
import { signQueueName } from '../../../src/queue/job-options.ts';
import { onlyQueue } from '../../../src/queue/queue-set.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import type { Desired } from '../../../src/worker/desired.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { clientFor } from '../../unit/registry/client-for.ts';
import { type AtEnd, openReconcileSetting } from './reconcile-setting.ts';

const host = inject('fallbackHost');
const hourMs = 3_600_000;
const prefix = '{loop}';
// Three polls and the time in which requests are gathered: who has not begun a run by then does not begin one.
const quietMs = 4_000;

async function startPrivateRedis(atEnd: AtEnd, port?: number): Promise<RunningRedis> {
  const redis = await startRedis({ appendOnly: false, ...(port !== undefined && { port }) });
  atEnd(() => redis.stop());
  return redis;
}

/** A repository with one unsigned image, a Redis of its own, and processes (loops) over both. */
async function open(atEnd: AtEnd, redisUrl?: string) {
  const setting = await openReconcileSetting(host, {}, atEnd);
  await setting.push('v1');
  const url = redisUrl ?? (await startPrivateRedis(atEnd)).url;
  const { access, keyRing, formats, clock, logger } = setting.options;
  let desired: Desired = { ruleSet: setting.ruleSet, keyRing, registries: new Map([['lab', access]]) };
  const runs: ReconcileResult[] = [];
  const news = new EventEmitter();

  function start({ intervalMs = hourMs }: { readonly intervalMs?: number } = {}) {
    const redis = connectStore({ redisUrl: url, onError: () => undefined });
    const loop = openReconcile({
      desired: () => desired,
      baseline: createBaselineStore({ redis, prefix }),
      marks: createPushMarks({ redis, prefix }),
      formats,
      clock,
      logger,
      redis,
      prefix,
      queues: onlyQueue(prefix),
      intervalMs,
      onFinished: (_registry, result) => {
        runs.push(result);
        news.emit('run');
      },
    });
    atEnd(async () => {
      await loop.close();
      await closeConnection(redis);
    });
    return { loop, redis };
  }

  return {
    ...setting,
    url,
    runs,
    start,
    use: (next: Desired) => {
      desired = next;
    },
    current: () => desired,
    untilRuns: async (count: number) => {
      while (runs.length < count) await once(news, 'run');
    },
    connect: () => {
      const redis = connectProducer({ redisUrl: url, onError: () => undefined });
      atEnd(() => closeConnection(redis));
      return redis;
    },
  };
}

async function queued(url: string): Promise<number> {
  const redis = connectStore({ redisUrl: url, onError: () => undefined });
  const queue = new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  try {
    return await queue.getPrioritizedCount();
  } finally {
    await queue.close();
    await closeConnection(redis);
  }
}

const oneQueued = { tags: 1, queued: 1, existing: 0, waiting: 0, failed: 0 };

describe.concurrent('a reconcile runs', () => {
  test('at the start, once for any number of processes, and queues what is missing', async ({ onTestFinished }) => {
    const { start, untilRuns, runs, url } = await open(onTestFinished);
    for (let number = 0; number < 4; number += 1) start();
    await untilRuns(1);
    await sleep(quietMs);
    // A second one is asked for by a process that finds Redis after the first has begun.
    expect(runs.length).toBeLessThanOrEqual(2);
    expect(runs[0]).toEqual(oneQueued);
    expect(await queued(url)).toBe(1);
  });

  test('not again before its interval is over, and then again', async ({ onTestFinished }) => {
    const { start, untilRuns, runs } = await open(onTestFinished);
    const first = start();
    await untilRuns(1);
    await sleep(quietMs);
    expect(runs).toHaveLength(1);
    await first.loop.close();
    start({ intervalMs: 1_000 });
    await untilRuns(4);
  });

  test('when Redis has lost its data, and what was lost is queued again', async ({ onTestFinished }) => {
    const { start, untilRuns, url } = await open(onTestFinished);
    const { redis } = start();
    await untilRuns(1);
    expect(await queued(url)).toBe(1);
    await redis.flushall();
    await untilRuns(2);
    expect(await queued(url)).toBe(1);
  });

  test('when a primary of a cluster dies, which may not have handed on what it had confirmed', async ({
    onTestFinished,
  }) => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    const { start, untilRuns, runs } = await open(onTestFinished, cluster.url);
    start();
    await untilRuns(1);
    await sleep(quietMs);
    const before = runs.length;
    cluster.nodes[2]?.process.kill('SIGKILL');
    await untilRuns(before + 1);
    expect(runs.at(-1)).toEqual(oneQueued);
  });

  test('anew when Redis loses its data in the middle of it, so that nothing of it is lost', async ({
    onTestFinished,
  }) => {
    const { start, untilRuns, use, current, url, log, push } = await open(onTestFinished);
    for (let number = 2; number <= 9; number += 1) await push(`v${number}`);
    const access = current().registries.get('lab');
    if (access === undefined) throw new Error('no registry');
    const [eightQueued, flushed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const listing = createOciListing({
      ...access.client,
      listTags: async function* (...args: Parameters<typeof access.client.listTags>) {
        let given = 0;
        for await (const tag of access.client.listTags(...args)) {
          if (given === 8) {
            eightQueued.resolve();
            await flushed.promise;
          }
          given += 1;
          yield tag;
        }
      },
    });
    use({ ...current(), registries: new Map([['lab', { ...access, listing }]]) });
    const { redis } = start();
    await eightQueued.promise;
    expect(await queued(url)).toBe(8);
    await redis.flushall();
    flushed.resolve();
    await untilRuns(1);
    expect(log).toContainEqual(expect.objectContaining({ msg: 'reconcile: broken off, begins anew' }));
    expect(await queued(url)).toBe(9);
  });

  test('when Redis was away', async ({ onTestFinished }) => {
    const redis = await startPrivateRedis(onTestFinished);
    const { start, untilRuns, runs } = await open(onTestFinished, redis.url);
    const { redis: connection } = start();
    await untilRuns(1);
    await sleep(quietMs);
    expect(runs).toHaveLength(1);
    // The connection is cut, and nothing is lost.
    connection.disconnect(true);
    await untilRuns(2);
  });

  test('when Redis was away and answered late at first', async ({ onTestFinished }) => {
    const redis = await startPrivateRedis(onTestFinished);
    const { start, untilRuns, runs } = await open(onTestFinished, redis.url);
    const { redis: connection } = start();
    await untilRuns(1);
    await sleep(quietMs);
    expect(runs).toHaveLength(1);
    // Commands stay unanswered for longer than the connection waits, and then the connection is as it was.
    const asked = connection.eval.bind(connection) as (...args: readonly unknown[]) => Promise<unknown>;
    const refused = Promise.withResolvers<void>();
    Object.assign(connection, {
      eval: (...args: readonly unknown[]) => {
        if (!args.includes(`${prefix}:reconcile-clock`)) return asked(...args);
        Object.assign(connection, { eval: asked });
        refused.resolve();
        return Promise.reject(new Error('Command timed out'));
      },
    });
    connection.disconnect(true);
    await refused.promise;
    await untilRuns(2);
  });

  test('when it was never up, as soon as it comes', async ({ onTestFinished }) => {
    const port = await freePort();
    const { start, untilRuns, runs } = await open(onTestFinished, `redis://127.0.0.1:${port}`);
    start();
    await sleep(500);
    expect(runs).toEqual([]);
    await startPrivateRedis(onTestFinished, port);
    await untilRuns(1);
    expect(runs[0]).toEqual(oneQueued);
  });

  test('when a receiver could not queue a push', async ({ onTestFinished }) => {
    const { start, untilRuns, connect, options } = await open(onTestFinished);
    start();
    await untilRuns(1);
    await sleep(quietMs);
    const schedule = createReconcileSchedule({ redis: connect(), prefix });
    const requests = createReconcileRequests({ schedule, logger: options.logger });
    onTestFinished(() => requests.close());
    for (let number = 0; number < 100; number += 1) requests.note('lab');
    await untilRuns(2);
  });

  test('when other rules are in force', async ({ onTestFinished }) => {
    const { start, untilRuns, use, current, ruleSet } = await open(onTestFinished);
    start();
    await untilRuns(1);
    await sleep(quietMs);
    use({ ...current(), ruleSet: { ...ruleSet, hash: 'other' } });
    await untilRuns(2);
  });
});

describe.concurrent('a reconcile that cannot be done', () => {
  test('of a registry that is down says so, rests, and is done when somebody asks again', async ({
    onTestFinished,
  }) => {
    const { start, untilRuns, use, current, log } = await open(onTestFinished);
    const there = current();
    const access = there.registries.get('lab');
    if (access === undefined) throw new Error('no registry');
    const client = clientFor(`127.0.0.1:${await freePort()}`);
    onTestFinished(() => client.close());
    use({ ...there, registries: new Map([['lab', { ...access, client, listing: createOciListing(client) }]]) });
    const { redis } = start();
    const failures = () => log.filter(({ msg }) => msg === 'reconcile: the registry cannot be walked');
    await waitUntil(
      async () => failures().length,
      (count) => count > 0,
    );
    await sleep(quietMs);
    expect(failures()).toHaveLength(1);
    expect(failures()[0]).toMatchObject({ level: 'error', registry: 'lab', restMs: expect.any(Number) });
    use(there);
    const schedule = createReconcileSchedule({ redis, prefix });
    const since = await schedule.now();
    await schedule.want('lab', since);
    await untilRuns(1);
    expect(await schedule.lastRun('lab')).toMatchObject({ counts: oneQueued });
    expect((await schedule.lastRun('lab'))?.startedAt).toBeGreaterThan(since);
  });

  test('because its process ends is taken over by another one', async ({ onTestFinished }) => {
    const { start, untilRuns, use, current, runs } = await open(onTestFinished);
    const access = current().registries.get('lab');
    if (access === undefined) throw new Error('no registry');
    const began = Promise.withResolvers<void>();
    const listing = createOciListing({
      ...access.client,
      // biome-ignore lint/correctness/useYield: it hangs
      listTags: async function* (_repository: string, { signal }: { signal?: AbortSignal | undefined } = {}) {
        began.resolve();
        await sleep(hourMs, undefined, { signal });
      },
    });
    const there = current();
    use({ ...there, registries: new Map([['lab', { ...access, listing }]]) });
    const first = start();
    await began.promise;
    await first.loop.close();
    expect(runs).toEqual([]);
    use(there);
    start();
    await untilRuns(1);
  });
});
