import type { RedisConnection } from './redis-connection.ts';

const script = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** Deletes `key` only while it still holds `value`, in one step. */
export async function compareAndDelete(redis: RedisConnection, key: string, value: string): Promise<void> {
  await redis.eval(script, 1, key, value);
}
