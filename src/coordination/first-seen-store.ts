import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

// One step: of two processes that know different times the earlier one counts, whoever comes first.
const earliestScript = `
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]))
if known and known <= tonumber(ARGV[2]) then return tostring(known) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]`;

/** When rules were first seen, for all processes: one hash, field `<rule identity>:<registry>`, value in milliseconds since 1970. */
export interface FirstSeenStore {
  /** Tells of a time, and answers the earliest that any process has told of. */
  earliest(ruleIdentity: string, registry: string, at: Date): Promise<Date>;
}

export function createFirstSeenStore({
  redis,
  prefix,
}: {
  readonly redis: RedisConnection;
  readonly prefix: string;
}): FirstSeenStore {
  return {
    earliest: async (ruleIdentity, registry, at) => {
      const field = `${ruleIdentity}:${registry}`;
      const known = await askRedis('tell when a rule was first seen', () =>
        redis.eval(earliestScript, 1, `${prefix}:first-seen`, field, String(at.getTime())),
      );
      return new Date(Number(known));
    },
  };
}
