import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

// One step: of two processes that know different times the earlier one counts, whoever comes first. But what is seen for
// the first time is seen now, and not before that by Redis' clock either: a machine that begins with a clock of years
// ago would otherwise make all that stands newer than the rule, for good.
const earliestScript = `
local at = tonumber(ARGV[2])
if ARGV[3] == 'now' then
  local time = redis.call('TIME')
  at = math.max(at, tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000))
end
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]))
if known and known <= at then return string.format('%.0f', known) end
at = string.format('%.0f', at)
redis.call('HSET', KEYS[1], ARGV[1], at)
return at`;

/** When rules were first seen, for all processes: one hash, field `<rule identity>:<registry>`, value in milliseconds since 1970. */
export interface FirstSeenStore {
  /**
   * Tells of a time, and answers the earliest that any process has told of.
   * @param seen `kept` from earlier, or `now` by the clock of this process
   */
  earliest(ruleIdentity: string, registry: string, at: Date, seen: 'kept' | 'now'): Promise<Date>;
}

export interface FirstSeenStoreOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** For tests; absent: Redis' own clock. */
  readonly redisNow?: (() => Date) | undefined;
}

export function createFirstSeenStore({ redis, prefix, redisNow }: FirstSeenStoreOptions): FirstSeenStore {
  return {
    earliest: async (ruleIdentity, registry, at, seen) => {
      const field = `${ruleIdentity}:${registry}`;
      const args = [field, String(at.getTime()), seen, String(redisNow?.().getTime() ?? '')];
      const known = await askRedis('tell when a rule was first seen', () =>
        redis.eval(earliestScript, 1, `${prefix}:first-seen`, ...args),
      );
      return new Date(Number(known));
    },
  };
}
