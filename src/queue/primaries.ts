import type { Redis } from 'ioredis';
import type { RedisConnection } from '../coordination/redis-connection.ts';

/** The servers that hold data: the one there is, or the primaries of a cluster as far as it knows them. */
export function primariesOf(redis: RedisConnection): readonly Redis[] {
  return 'nodes' in redis ? redis.nodes('master') : [redis];
}
