import { inject, onTestFinished } from 'vitest';
import type { RedisConnection } from '../../../src/coordination/redis-connection.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { uniquePrefix } from '../../support/names.ts';

/** A connection to the shared Redis with a prefix of this test's own; its keys and the connection go with the test. */
export function openStore(): { readonly redis: RedisConnection; readonly prefix: string } {
  const prefix = uniquePrefix();
  const redis = connectStore({ redisUrl: inject('redisUrl'), onError: () => undefined });
  onTestFinished(async () => {
    const keys = await redis.keys(`${prefix}:*`);
    if (keys.length > 0) await redis.del(keys);
    await closeConnection(redis);
  });
  return { redis, prefix };
}
