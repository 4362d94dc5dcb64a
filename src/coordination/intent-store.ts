import type { IntentStore } from '../ports/intent-store.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';
import { shardPrefix } from './shards.ts';

export interface IntentStoreOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** How long an artifact is kept: far longer than any lease, lock or retry, after which the registry alone is the truth. */
  readonly keepMs: number;
}

/** Finished artifacts in Redis, written once (`SET NX`), so that rivals and retries push identical bytes. */
export function createIntentStore({ redis, prefix, keepMs }: IntentStoreOptions): IntentStore {
  const keyOf = (intentId: string) => `${shardPrefix(redis, prefix, intentId)}:intent:${intentId}`;

  async function get(intentId: string): Promise<Uint8Array | undefined> {
    const stored = await askRedis('read a stored artifact', () => redis.getBuffer(keyOf(intentId)));
    return stored ?? undefined;
  }

  async function putIfAbsent(intentId: string, bytes: Uint8Array): Promise<Uint8Array> {
    const value = Buffer.from(bytes);
    for (;;) {
      const written = await askRedis('store an artifact', () => redis.set(keyOf(intentId), value, 'PX', keepMs, 'NX'));
      if (written === 'OK') return value;
      const stored = await get(intentId);
      // It may have expired between the two commands; then the place is free again.
      if (stored !== undefined) return stored;
    }
  }

  return { get, putIfAbsent };
}
