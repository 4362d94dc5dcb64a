import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

/** What rests after a run, for all processes of a deployment. A Redis that loses its data ends every rest. */
export interface RestStore {
  /** @throws AutosignError `redis-unreachable` */
  isResting(name: string): Promise<boolean>;
  /** Throws as `isResting` does. */
  rest(name: string, forMs: number): Promise<void>;
}

/** Rests in Redis: keys with a lifetime. */
export function createRestStore({
  redis,
  prefix,
}: {
  readonly redis: RedisConnection;
  readonly prefix: string;
}): RestStore {
  const keyOf = (name: string) => `${prefix}:rest:${name}`;
  return {
    isResting: async (name) => (await askRedis('tell what rests', () => redis.exists(keyOf(name)))) === 1,
    rest: async (name, forMs) => {
      await askRedis('note a rest', () => redis.set(keyOf(name), '1', 'PX', Math.max(1, Math.round(forMs))));
    },
  };
}
