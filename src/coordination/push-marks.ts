import { randomUUID } from 'node:crypto';
import type { PushMark, PushMarks, TaggedImage } from '../ports/baseline.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';
import { markField, marksKey } from './redis-keys.ts';

const clearScript = `if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0`;

/** Marks of pushes under way: one hash a registry (on a cluster many), field `repository:tag`, value `<milliseconds>-<rules hash>-<random>`. */
export function createPushMarks({
  redis,
  prefix,
}: {
  readonly redis: RedisConnection;
  readonly prefix: string;
}): PushMarks {
  return {
    mark: async (image: TaggedImage, rulesHash: string) => {
      const value = `${Date.now()}-${rulesHash}-${randomUUID()}`;
      await askRedis('mark a push', () => redis.hset(marksKey(redis, prefix, image), markField(image), value));
    },
    read: async (image: TaggedImage) => {
      const value = await askRedis('read the mark of a push', () =>
        redis.hget(marksKey(redis, prefix, image), markField(image)),
      );
      if (value === null) return undefined;
      const [markedAt, rulesHash = ''] = value.split('-');
      return { value, markedAt: new Date(Number(markedAt)), rulesHash };
    },
    clear: async (image: TaggedImage, { value }: PushMark) => {
      await askRedis('clear the mark of a push', () =>
        redis.eval(clearScript, 1, marksKey(redis, prefix, image), markField(image), value),
      );
    },
  };
}

// Longer than any process takes to have the rules that another one has, also when a roll-out is slow.
const rulesApartMs = 3_600_000;

/**
 * Whether whoever works by the rules `rulesHash` has dealt with the push when nothing is left to do for them. By other
 * rules than the receiver's that holds only after an hour: until then the receiver's may be newer ones, and the mark
 * keeps the image out of their baselines.
 */
export function isDealtWith(mark: PushMark, rulesHash: string, now: Date): boolean {
  return mark.rulesHash === rulesHash || now.getTime() - mark.markedAt.getTime() > rulesApartMs;
}
