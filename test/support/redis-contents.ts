import { Redis } from 'ioredis';

/** Everything that a Redis holds, keys and values, as text that can be searched. */
export async function redisContents(redisUrl: string): Promise<string> {
  const redis = new Redis(redisUrl);
  try {
    const keys = await redis.keys('*');
    const entries = await Promise.all(keys.map(async (key) => [key, await readValue(redis, key)]));
    return entries.map((entry) => JSON.stringify(entry)).join('\n');
  } finally {
    redis.disconnect();
  }
}

async function readValue(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return await redis.hgetall(key);
    case 'list':
      return await redis.lrange(key, 0, -1);
    case 'set':
      return await redis.smembers(key);
    case 'zset':
      return await redis.zrange(key, 0, -1, 'WITHSCORES');
    case 'stream':
      return await redis.xrange(key, '-', '+');
    default:
      return await redis.get(key);
  }
}
