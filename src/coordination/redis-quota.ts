import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AutosignError } from '../domain/errors.ts';
import type { PlaceUse, Quota, QuotaLane, QuotaPlace, QuotaScope } from '../ports/quota.ts';
import { askForPlaces, type EndedPlace, type GivenPlace, heldMsMax, type PlacesAnswer } from './quota-window.ts';
import type { RedisConnection } from './redis-connection.ts';

export interface RedisQuotaOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** Told of each place that was given, for the metrics. */
  readonly onTaken?: ((taken: { readonly scope: string; readonly waitedMs: number }) => void) | undefined;
  /** Told of the limit as it stands at each exchange with Redis. */
  readonly onLimit?: ((limit: { readonly scope: string; readonly perSecond: number }) => void) | undefined;
}

export interface RedisQuota extends Quota {
  /** Tells Redis of the places that have ended; never rejected. */
  close(): Promise<void>;
}

/** As long as a request to the registry may well take: after it a tag is looked at again though nobody was told to wait. */
const unnoticedMs = 100;
/** A process that wakes up this much later than its place began gives it back: the seconds that follow are others'. */
const lateMsMax = 5_000;
/** Ended places are told of with the next request; when none comes, after this time. They count for a second anyway. */
const tellMs = 100;
/** What could not be told is told again after this time, when nobody wants a place before. */
const awayMs = 1_000;

/**
 * The quota in Redis, one for all workers. At no time do more than `perSecond` of its calls reach KMS within one second,
 * as KMS sees it, whatever the network does to them: see quota-window.ts. One request takes places for all callers of
 * this process that wait, and tells of those that have ended. When Redis loses its data, or a cluster's primary that had
 * not handed on the newest places, it may be twice as many for one second.
 */
export function createRedisQuota(options: RedisQuotaOptions): RedisQuota {
  const lines = new Map<string, Line>();

  function lineOf(scope: QuotaScope): Line {
    const line = lines.get(scope.name) ?? createLine(options);
    lines.set(scope.name, line);
    return line;
  }

  return {
    take: async (scope, lane) => {
      const line = lineOf(scope);
      const startedAt = performance.now();
      for (;;) {
        const { id, beginAt, told } = await line.join(scope, lane);
        await sleepUntil(beginAt);
        const now = performance.now();
        if (now - beginAt <= lateMsMax) {
          options.onTaken?.({ scope: scope.name, waitedMs: now - startedAt });
          return placeOf(line, id, told || now - startedAt > unnoticedMs);
        }
        line.end(id, 'unused');
      }
    },
    close: async () => {
      await Promise.all([...lines.values()].map((line) => line.close()));
    },
  };
}

function placeOf(line: Line, id: string, waited: boolean): QuotaPlace {
  let isFinished = false;
  return {
    waited,
    finish: (use) => {
      if (!isFinished) line.end(id, use);
      isFinished = true;
    },
  };
}

/** A timer may fire a moment early. */
async function sleepUntil(moment: number): Promise<void> {
  for (let leftMs = moment - performance.now(); leftMs > 0; leftMs = moment - performance.now()) {
    await sleep(Math.ceil(leftMs));
  }
}

/** A place, and when its call may begin, on the clock of `performance`. */
interface TakenPlace {
  readonly id: string;
  readonly beginAt: number;
  /** Redis had none for the moment when it was asked. */
  readonly told: boolean;
}

interface Waiter {
  asked: number;
  readonly take: (place: TakenPlace) => void;
  readonly fail: (error: unknown) => void;
}

/** The callers of one process that want places of one scope, in the order of their coming. */
interface Line {
  join(scope: QuotaScope, lane: QuotaLane): Promise<TakenPlace>;
  end(id: string, use: PlaceUse): void;
  close(): Promise<void>;
}

function createLine({ redis, prefix, onLimit }: RedisQuotaOptions): Line {
  const waiting: Readonly<Record<QuotaLane, Waiter[]>> = { push: [], backfill: [] };
  let ended: (Omit<EndedPlace, 'agoMs'> & { readonly at: number })[] = [];
  let scope: QuotaScope | undefined;
  let exchange: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isAway = false;

  function exchangeIn(ms: number): void {
    // The first one counts: who comes later must not put it off for ever.
    timer ??= setTimeout(exchangeNow, ms);
    // Whoever waits has a connection that keeps the process alive; an ended place need not.
    timer.unref();
  }

  function exchangeNow(): void {
    clearTimeout(timer);
    timer = undefined;
    // What comes during an exchange is in the next one.
    exchange ??= exchangeOnce().finally(() => {
      exchange = undefined;
      if (isAnybodyNew(waiting) || (!isAway && ended.some(({ use }) => use === 'throttled'))) exchangeNow();
      else if (ended.length > 0) exchangeIn(isAway ? awayMs : tellMs);
    });
  }

  async function exchangeOnce(): Promise<void> {
    if (scope === undefined) return;
    const [live, backfill] = [waiting.push.length, waiting.backfill.length];
    if (live + backfill + ended.length === 0) return;
    for (const waiter of [...waiting.push, ...waiting.backfill]) waiter.asked += 1;
    const now = performance.now();
    const telling = ended;
    const told = telling.map(({ id, use, at }) => ({ id, use, agoMs: now - at }));
    ended = [];
    try {
      const answer = await askForPlaces(redis, prefix, { scope, id: randomUUID(), live, backfill, ended: told });
      isAway = false;
      onLimit?.({ scope: scope.name, perSecond: answer.perSecond });
      handOut(waiting, scope, answer);
      if (waiting.push.length + waiting.backfill.length > 0) exchangeIn(answer.againInMs);
    } catch (error) {
      // Told with the next exchange: until Redis knows they count for `heldMsMax`. What that has passed for is gone by itself.
      ended = [...telling.filter(({ at }) => now - at < heldMsMax), ...ended];
      isAway = true;
      for (const waiters of Object.values(waiting)) failAsked(waiters, error);
    }
  }

  return {
    join: (newest, lane) => {
      scope = newest;
      return new Promise((take, fail) => {
        waiting[lane].push({ asked: 0, take, fail });
        exchangeNow();
      });
    },
    end: (id, use) => {
      ended.push({ id, use, at: performance.now() });
      // All workers are to slow down at once.
      if (use === 'throttled') exchangeNow();
      else if (waiting.push.length + waiting.backfill.length === 0) exchangeIn(tellMs);
    },
    close: async () => {
      await exchange;
      clearTimeout(timer);
      await exchangeOnce();
    },
  };
}

function isAnybodyNew(waiting: Readonly<Record<QuotaLane, Waiter[]>>): boolean {
  return Object.values(waiting).some((waiters) => waiters.some(({ asked }) => asked === 0));
}

function handOut(waiting: Readonly<Record<QuotaLane, Waiter[]>>, scope: QuotaScope, answer: PlacesAnswer): void {
  hand(waiting.push, answer.live);
  hand(waiting.backfill, answer.backfill);
  for (const lane of ['push', 'backfill'] as const) {
    const leftMs = answer.dayEndsInMs[lane];
    if (leftMs !== undefined) failAsked(waiting[lane], usedUp(scope, lane, leftMs));
  }
}

/** The moment when Redis decided is not known, only that it is past. */
function hand(waiters: Waiter[], given: readonly GivenPlace[]): void {
  const now = performance.now();
  for (const { id, inMs } of given) {
    const waiter = waiters.shift();
    waiter?.take({ id, beginAt: now + inMs, told: inMs > 0 || waiter.asked > 1 });
  }
}

function failAsked(waiters: Waiter[], error: unknown): void {
  const asked = waiters.filter((waiter) => waiter.asked > 0);
  waiters.splice(0, waiters.length, ...waiters.filter((waiter) => waiter.asked === 0));
  for (const { fail } of asked) fail(error);
}

function usedUp({ name, perDay }: QuotaScope, lane: QuotaLane, dayEndsInMs: number): AutosignError {
  const granted = `the ${perDay} calls of KMS a day that the rules file grants account and region ${name} (quotas, perDay)`;
  const options = { retryAfterMs: dayEndsInMs };
  return lane === 'push'
    ? new AutosignError(
        'kms-quota-used',
        `T${granted.slice(1)} are used up. Jobs that need its keys wait until midnight UTC.`,
        options,
      )
    : new AutosignError(
        'kms-quota-kept',
        `What is left of ${granted} is kept for live pushes. Other jobs wait until midnight UTC.`,
        options,
      );
}
