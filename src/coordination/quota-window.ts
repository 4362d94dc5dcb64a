import { z } from 'zod';
import type { PlaceUse, QuotaLane, QuotaScope } from '../ports/quota.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';
import { shardPrefix } from './shards.ts';

/** A place in the quota that is not needed any more. */
export interface EndedPlace {
  readonly id: string;
  readonly use: PlaceUse;
  /** How long ago that was known, by this process' own clock. */
  readonly agoMs: number;
}

export interface PlacesRequest {
  readonly scope: QuotaScope;
  /** Names the request; the places that it gets are `<id>:1`, `<id>:2`, … */
  readonly id: string;
  /** How many places are wanted for live pushes. */
  readonly live: number;
  /** And for the others. */
  readonly backfill: number;
  readonly ended: readonly EndedPlace[];
  /** For tests; absent: Redis' own clock. */
  readonly nowMs?: number | undefined;
}

export interface GivenPlace {
  readonly id: string;
  /** Its call may begin after this time, not before. */
  readonly inMs: number;
}

export interface PlacesAnswer {
  /** At most as many as were wanted. */
  readonly live: readonly GivenPlace[];
  readonly backfill: readonly GivenPlace[];
  /** When to ask again for those that were not given. */
  readonly againInMs: number;
  /** Calls a second as it stands now: less than the scope's after calls were throttled. */
  readonly perSecond: number;
  /** Until midnight UTC, when the calls of the day are used up for these lanes; undefined: they are not. */
  readonly dayEndsInMs: Readonly<Record<QuotaLane, number | undefined>>;
}

/**
 * A place whose call nobody told the end of is free again after this time: its worker died. Longer than STS and KMS
 * together may take. A process that is frozen for longer and then sends its call is not counted with.
 */
export const heldMsMax = 30_000;
/** A live push may have to be told of a place this far ahead, which is all the time that ended calls still count. */
const liveAheadMs = 1_000;
/** The others only this far, so that a live push never has more than this of them before it. */
const backfillAheadMs = 50;
/** No more than this part of a second's calls begin at one moment. */
const atOncePart = 0.1;
/** After a throttled call the limit is this part of what it was, at most once a second… */
const cutTo = 0.7;
/** … and grows again by this part of the whole limit each second. */
const regainPart = 0.05;
/** Where a place ends early once its call is answered, a look in between is worth it. */
const againMs = { least: 5, most: 50 };
/** Of the day's calls this part is kept for live pushes, and one call is left to the others however few there are. */
const keptDayPart = 0.1;
/** Longer than a day is counted. */
const stateSeconds = 2 * 24 * 3600;

/**
 * One step on one hash slot. KEYS[1] holds the places that count, by the time until which they do: a second from the
 * end of the call, so for whoever receives the calls none that comes later is in the same second as this one, however
 * long either was under way. A call that was not answered yet counts for `held`. A place may be given ahead of time, for
 * the moment when so many others have ended that it fits. Times are microseconds of a clock that never goes back: when
 * another machine of a cluster takes over with a clock that is behind, the difference is added from then on.
 */
const script = `
local ask = cjson.decode(ARGV[1])
local second = 1000000
local function number(text, otherwise) return tonumber(text) or otherwise end
local kept = redis.call('HMGET', KEYS[2], 'last', 'added', 'pace', 'cut', 'cutAt', 'day', 'used')

local clock = ask.now
if not clock then
  local time = redis.call('TIME')
  clock = time[1] * second + time[2]
end
local added = math.max(number(kept[2], 0), number(kept[1], 0) - clock)
local now = clock + added
local day = math.floor(clock / (86400 * second))
local used = number(kept[6], -1) == day and number(kept[7], 0) or 0

local cut, cutAt = number(kept[4], ask.perSecond), number(kept[5], 0)
local function limitNow()
  return math.min(ask.perSecond, cut + (now - cutAt) / second * ask.perSecond * ${regainPart})
end
for _, ended in ipairs(ask.ended) do
  if ended.use == 'unused' then
    if redis.call('ZREM', KEYS[1], ended.id) == 1 then used = math.max(0, used - 1) end
  else
    redis.call('ZADD', KEYS[1], 'XX', 'LT', now - ended.ago + second, ended.id)
  end
  if ended.use == 'throttled' and now - cutAt >= second then
    cut, cutAt = math.max(1, limitNow() * ${cutTo}), now
  end
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local limit = math.max(1, math.floor(limitNow()))
local count = redis.call('ZCARD', KEYS[1])
local spacing = second / limit
local atOnce = math.max(0, math.ceil(limit * ${atOncePart}) - 1) * spacing
local pace = number(kept[3], 0)
local given, again = {}, 0
local function give(wanted, ahead, ofDay)
  for index = 1, wanted do
    if ofDay and used >= ofDay then return index - 1, true end
    local at = math.max(now, pace - atOnce)
    if count >= limit then
      local scores = redis.call('ZRANGE', KEYS[1], count - limit, count - limit, 'WITHSCORES')
      at = math.max(at, tonumber(scores[2]))
    end
    if at - now > ahead then
      again = at - now - ahead
      return index - 1
    end
    pace = math.max(pace, at) + spacing
    given[#given + 1] = math.ceil(at - now)
    redis.call('ZADD', KEYS[1], at + ask.held, ask.id .. ':' .. #given)
    count, used = count + 1, used + 1
  end
  return wanted
end
local live, liveUsedUp = give(ask.live, ${liveAheadMs * 1000}, ask.perDay)
local backfillUsedUp = false
local backfillOfDay = ask.perDay and math.max(1, ask.perDay - math.ceil(ask.perDay * ${keptDayPart}))
if live == ask.live then
  local _, isUsedUp = give(ask.backfill, ${backfillAheadMs * 1000}, backfillOfDay)
  backfillUsedUp = isUsedUp
elseif ask.backfill > 0 and backfillOfDay and used >= backfillOfDay then
  backfillUsedUp = true
end

redis.call('HSET', KEYS[2], 'last', now, 'added', added, 'pace', pace, 'cut', cut, 'cutAt', cutAt, 'day', day, 'used', used)
redis.call('EXPIRE', KEYS[2], ${stateSeconds})
redis.call('EXPIRE', KEYS[1], ${stateSeconds})
local left = math.ceil((day + 1) * 86400 * second - clock)
return { math.ceil(again), limit, liveUsedUp and left or -1, backfillUsedUp and left or -1, live, unpack(given) }`;

const Answer = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()], z.number());

/**
 * Tells Redis which places have ended, and takes new ones.
 * @throws AutosignError `redis-unreachable`
 */
export async function askForPlaces(
  redis: RedisConnection,
  prefix: string,
  request: PlacesRequest,
): Promise<PlacesAnswer> {
  const { scope, id, live, backfill, nowMs } = request;
  const name = `${shardPrefix(redis, prefix, `kms-quota:${scope.name}`)}:kms-quota:${scope.name}`;
  const ended = request.ended.map((place) => ({ ...place, ago: Math.floor(place.agoMs * 1000) }));
  const { perSecond, perDay } = scope;
  const now = nowMs === undefined ? undefined : Math.round(nowMs * 1000);
  const ask = JSON.stringify({ id, live, backfill, ended, perSecond, perDay, held: heldMsMax * 1000, now });
  const answer = await askRedis('give a place in the quota of KMS calls', async () =>
    Answer.parse(await redis.eval(script, 2, `${name}:places`, `${name}:state`, ask)),
  );
  const [again, limit, pushLeft, backfillLeft, givenLive, ...delays] = answer;
  const given = delays.map((delay, index) => ({ id: `${id}:${index + 1}`, inMs: delay / 1000 }));
  return {
    live: given.slice(0, givenLive),
    backfill: given.slice(givenLive),
    againInMs: Math.min(againMs.most, Math.max(againMs.least, again / 1000)),
    perSecond: limit,
    dayEndsInMs: { push: leftMs(pushLeft), backfill: leftMs(backfillLeft) },
  };
}

function leftMs(micros: number): number | undefined {
  return micros < 0 ? undefined : micros / 1000;
}
