import { z } from 'zod';
import type { Lease } from './lease.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

/**
 * A moment of Redis' own clock, in microseconds since 1970: the clocks of several machines never agree. It never goes
 * back, not even when another machine of a cluster takes over with a clock that is behind.
 */
export type RedisTime = number;

/** How the last try to compare a registry with the rules ended. */
export const ReconcileRun = z.object({
  startedAt: z.number(),
  finishedAt: z.number(),
  /** Of tags; absent when the registry could not be walked. */
  counts: z
    .object({ tags: z.number(), queued: z.number(), existing: z.number(), waiting: z.number(), failed: z.number() })
    .optional(),
  /** Why it could not be walked. */
  error: z.string().optional(),
});
export type ReconcileRun = Readonly<z.infer<typeof ReconcileRun>>;

/** When which registry is to be compared with the rules, for all processes of a deployment. */
export interface ReconcileSchedule {
  now(): Promise<RedisTime>;
  /** Asks for a run that begins after `since`, whoever does it. */
  want(registry: string, since: RedisTime): Promise<void>;
  /**
   * As `want`, for what may be asked again and again: the run waits until the last one is over for a minute, and for as
   * long as that took. Until then the wish stands in Redis, so it outlives whoever asked.
   */
  wantUnhurried(registry: string, since: RedisTime): Promise<void>;
  /**
   * Whether a run is due: somebody wants one that is newer than the last try, or the rest after that is over, or no
   * try with these rules is known (the first one, other rules, a Redis that lost its data).
   */
  isDue(registry: string, rulesHash: string): Promise<boolean>;
  /**
   * Enters a run that has ended, and how long to rest after it. Answers false, and enters nothing, when the lease is
   * not held any more: then Redis may have lost what the run added.
   */
  finish(lease: Pick<Lease, 'key' | 'owner'>, ended: EndedRun): Promise<boolean>;
  lastRun(registry: string): Promise<ReconcileRun | undefined>;
}

interface EndedRun {
  readonly registry: string;
  readonly rulesHash: string;
  readonly run: ReconcileRun;
  readonly restMs: number;
}

// By a key, so that on a cluster the machine that holds the schedule tells the time; each moment is later than the one
// before, or a wish would be lost in the same one as a run. What is hours ahead was written by a clock that was wrong.
const nowScript = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if now <= last and last - now < 3600000000 then now = last + 1 end
local text = string.format('%.0f', now)
redis.call('SET', KEYS[1], text)
return text`;

// The newest wish counts; an older one comes late when its sender was slow.
const wantScript = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known or tonumber(known) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end`;

const finishScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
return 1`;

/** The schedule in Redis: wishes and last runs in a hash each, and a key with a lifetime for each rest. */
export function createReconcileSchedule({
  redis,
  prefix,
}: {
  readonly redis: RedisConnection;
  readonly prefix: string;
}): ReconcileSchedule {
  const clockKey = `${prefix}:reconcile-clock`;
  const wantedKey = `${prefix}:reconcile-wanted`;
  const unhurriedKey = `${prefix}:reconcile-wanted-unhurried`;
  const runsKey = `${prefix}:reconcile-runs`;
  const restKey = (registry: string, rulesHash: string) => `${prefix}:reconcile-rest:${registry}:${rulesHash}`;

  const now = async () => Number(await askRedis('tell the time', () => redis.eval(nowScript, 1, clockKey)));
  const note = async (key: string, registry: string, since: RedisTime) => {
    await askRedis('note that a reconcile is wanted', () => redis.eval(wantScript, 1, key, registry, String(since)));
  };

  return {
    now,
    want: (registry, since) => note(wantedKey, registry, since),
    wantUnhurried: (registry, since) => note(unhurriedKey, registry, since),
    isDue: async (registry, rulesHash) => {
      const [lastStart, wanted, unhurried, run] = await askRedis('tell whether a reconcile is due', () =>
        Promise.all([
          redis.get(restKey(registry, rulesHash)),
          redis.hget(wantedKey, registry),
          redis.hget(unhurriedKey, registry),
          redis.hget(runsKey, registry),
        ]),
      );
      if (lastStart === null || Number(wanted ?? 0) > Number(lastStart)) return true;
      if (Number(unhurried ?? 0) <= Number(lastStart)) return false;
      const last = run === null ? undefined : readRun(run);
      return last === undefined || (await now()) >= last.finishedAt + restOfUnhurried(last);
    },
    finish: async (lease, { registry, rulesHash, run, restMs }) => {
      const keys = [lease.key, restKey(registry, rulesHash), runsKey];
      const args = [lease.owner, String(run.startedAt), String(restMs), registry, JSON.stringify(run)];
      return (await askRedis('enter a reconcile', () => redis.eval(finishScript, keys.length, ...keys, ...args))) === 1;
    },
    lastRun: async (registry) => {
      const text = await askRedis('tell of the last reconcile', () => redis.hget(runsKey, registry));
      return text === null ? undefined : readRun(text);
    },
  };
}

/** In microseconds: at most half of the time is spent on walks that are not in a hurry. */
function restOfUnhurried({ startedAt, finishedAt }: ReconcileRun): number {
  return Math.max(60_000_000, finishedAt - startedAt);
}

/** What cannot be read, written by another release or a stranger, counts as no run. */
function readRun(text: string): ReconcileRun | undefined {
  try {
    return ReconcileRun.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
