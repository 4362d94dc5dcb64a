import { QueueKeys } from 'bullmq';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { placeOf, prefixAt } from '../coordination/shards.ts';
import { createConfirm } from './confirmation.ts';
import { queuesMax, signQueueName } from './job-options.ts';

/** One of the queues that share the work. */
export interface QueuePlace {
  /** Its number; part of the ids of its jobs. */
  readonly index: number;
  readonly prefix: string;
}

/** The queues of a deployment: those that it fills, and those of another number of queues that are not empty yet. */
export interface QueueSet {
  /** Those that jobs are added to. */
  readonly current: readonly [QueuePlace, ...QueuePlace[]];
  /** The one that jobs of this repository are added to. */
  of(image: { readonly registry: string; readonly repository: string }): QueuePlace;
  at(index: number): QueuePlace;
  /**
   * The current ones, and all others that hold a job or a dead letter. Asked of Redis every few seconds, not of a list
   * that could be lost or out of date: processes that have been started with another number fill other queues.
   * @throws AutosignError `redis-unreachable`
   */
  inUse(): Promise<readonly QueuePlace[]>;
}

export interface QueueSetOptions {
  readonly redis: RedisConnection;
  /** Of the first queue. */
  readonly prefix: string;
  /** How many queues jobs are added to, 1 to `queuesMax`. */
  readonly count: number;
  /** How long Redis may take, in milliseconds. */
  readonly timeoutMs: number;
}

// As long as a job of another number of queues may wait to be noticed.
const keptMs = 2_000;
const holding = ['wait', 'paused', 'active', 'prioritized', 'delayed', 'failed'] as const;

export function createQueueSet({ redis, prefix, count, timeoutMs }: QueueSetOptions): QueueSet {
  const confirm = createConfirm(redis, timeoutMs);
  const at = (index: number) => ({ index, prefix: prefixAt(prefix, index) });
  const current = Array.from({ length: count }, (_, index) => at(index));
  const others = Array.from({ length: queuesMax - count }, (_, index) => at(count + index));
  let last: { readonly found: Promise<readonly QueuePlace[]>; readonly askedAt: number } | undefined;

  async function find(): Promise<readonly QueuePlace[]> {
    const keysOf = (place: QueuePlace) =>
      holding.map((state) => new QueueKeys(place.prefix).toKey(signQueueName, state));
    const holds = await confirm(() => Promise.all(others.map((place) => redis.exists(...keysOf(place)))));
    return [...current, ...others.filter((_, index) => holds[index] !== 0)];
  }

  return {
    current: [at(0), ...current.slice(1)],
    of: ({ registry, repository }) => at(placeOf(`${registry}:${repository}`, count)),
    at,
    inUse: () => {
      const now = performance.now();
      if (last === undefined || now - last.askedAt > keptMs) {
        const found = find();
        last = { found, askedAt: now };
        // An answer that did not come is not kept.
        found.catch(() => {
          last = undefined;
        });
      }
      return last.found;
    },
  };
}

/** One queue alone, whatever Redis holds. */
export function onlyQueue(prefix: string): QueueSet {
  const place = { index: 0, prefix };
  return { current: [place], of: () => place, at: () => place, inUse: async () => [place] };
}
