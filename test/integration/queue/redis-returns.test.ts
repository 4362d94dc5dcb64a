import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { startRedisCluster } from '../../../infra/processes/start-redis-cluster.ts';
import type { RedisConnection } from '../../../src/coordination/redis-connection.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { hearOfReturns } from '../../../src/queue/redis-returns.ts';
import { waitUntil } from '../../e2e/wait-until.ts';

function listen(redisUrl: string) {
  const redis: RedisConnection = connectStore({ redisUrl, onError: () => undefined });
  let heard = 0;
  const stop = hearOfReturns(redis, () => {
    heard += 1;
  });
  onTestFinished(async () => {
    stop();
    await closeConnection(redis);
  });
  return { redis, stop, heard: () => heard };
}

/** Until nothing was heard between two questions of the epoch. */
async function untilQuiet({ heard }: { readonly heard: () => number }): Promise<number> {
  let last = -1;
  return waitUntil(
    async () => {
      const before = last;
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      last = heard();
      return before === last ? last : -1;
    },
    (count) => count > 0,
  );
}

async function startCluster() {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.stop());
  return cluster;
}

describe('the return of a Redis is heard of', () => {
  test('when it is there, and each time it was away; and not after the end', async () => {
    const first = await startRedis({ appendOnly: false });
    const { heard, stop } = listen(first.url);
    await waitUntil(
      async () => heard(),
      (count) => count === 1,
    );
    await first.stop();
    const second = await startRedis({ appendOnly: false, port: first.port });
    await waitUntil(
      async () => heard(),
      (count) => count === 2,
    );
    stop();
    await second.stop();
    const third = await startRedis({ appendOnly: false, port: first.port });
    onTestFinished(() => third.stop());
    const other = listen(third.url);
    await waitUntil(
      async () => other.heard(),
      (count) => count === 1,
    );
    expect(heard()).toBe(2);
  });

  test('of a cluster, when a connection to one of its primaries ends', async () => {
    const cluster = await startCluster();
    const listener = listen(cluster.url);
    const before = await untilQuiet(listener);
    cluster.nodes[2]?.process.kill('SIGKILL');
    await waitUntil(
      async () => listener.heard(),
      (count) => count > before,
    );
  });

  test('of a cluster, when another primary took over and no connection has ended', async () => {
    const cluster = await startCluster();
    const listener = listen(cluster.url);
    const before = await untilQuiet(listener);
    // As for whoever still reaches the old primary, which the others do not.
    listener.redis.removeAllListeners('-node');
    const replica = new Redis(cluster.nodes[5]?.port ?? 0);
    onTestFinished(() => replica.disconnect());
    await replica.cluster('FAILOVER');
    await waitUntil(
      async () => listener.heard(),
      (count) => count > before,
    );
    const after = await untilQuiet(listener);
    expect(after).toBe(before + 1);
  });
});
