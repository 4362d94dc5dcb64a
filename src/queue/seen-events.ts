import type { RedisConnection } from '../coordination/redis-connection.ts';
import { shardPrefix } from '../coordination/shards.ts';
import { sha256Hex } from '../domain/digest.ts';
import type { SeenEvents } from '../ports/seen-events.ts';
import { createConfirm } from './confirmation.ts';

export interface SeenEventsOptions {
  /** A connection of `connectProducer`. */
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** How long Redis may take for one question, connecting included, in milliseconds. */
  readonly timeoutMs: number;
}

// EventBridge waits at most 512 s between two tries. An event that comes again later is queued again, which finds the
// signature and does no harm; a longer memory would cost more than that.
const rememberedSeconds = 1_800;

/** A key with a lifetime for each event, under the hash of what names it. */
export function createSeenEvents({ redis, prefix, timeoutMs }: SeenEventsOptions): SeenEvents {
  const confirm = createConfirm(redis, timeoutMs);
  const keyOf = (event: string) => `${shardPrefix(redis, prefix, event)}:seen-event:${sha256Hex(event)}`;
  return {
    has: (event) => confirm(async () => (await redis.exists(keyOf(event))) === 1),
    remember: async (event) => {
      await confirm(() => redis.set(keyOf(event), '', 'EX', rememberedSeconds));
    },
  };
}
