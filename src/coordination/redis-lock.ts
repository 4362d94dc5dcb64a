import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AutosignError } from '../domain/errors.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import { compareAndDelete } from './compare-and-delete.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';
import { shardPrefix } from './shards.ts';

export interface RedisLockOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** After this time Redis gives the lock away. */
  readonly leaseMs: number;
  /** After this time, well below the lease, the holder's requests are aborted. */
  readonly deadlineMs: number;
  /** How long to wait for the lock. */
  readonly waitMs: number;
}

const pollMs = { least: 20, most: 80 };

/**
 * A lock with a lease (`SET NX PX`). It saves work and keeps read-modify-write of an index apart; nothing relies on
 * it alone, because a holder that freezes past its lease cannot know.
 */
export function createRedisLock({ redis, prefix, leaseMs, deadlineMs, waitMs }: RedisLockOptions): SubjectLock {
  async function acquire(key: string, owner: string): Promise<number> {
    const giveUpAt = performance.now() + waitMs;
    for (;;) {
      // The lease is counted from before the request, so that a slow answer never makes us believe in more than we
      // have, and on a clock that nobody can put back.
      const askedAt = performance.now();
      const taken = await askRedis('grant a lock', () => redis.set(key, owner, 'PX', leaseMs, 'NX'));
      if (taken === 'OK') return askedAt;
      if (performance.now() >= giveUpAt) {
        throw new AutosignError('lock-lost', `The lock of ${key} was not free within ${waitMs} ms; it is tried again.`);
      }
      await sleep(pollMs.least + Math.random() * (pollMs.most - pollMs.least));
    }
  }

  async function hold<T>(name: string, work: (signal: AbortSignal, assertHeld: () => void) => Promise<T>): Promise<T> {
    const key = `${shardPrefix(redis, prefix, name)}:lock:${name}`;
    const owner = randomUUID();
    const takenAt = await acquire(key, owner);
    const deadline = takenAt + deadlineMs;
    const lost = (cause?: unknown) =>
      new AutosignError('lock-lost', `The work under the lock of ${name} took longer than ${deadlineMs} ms.`, {
        cause,
      });
    const ending = new AbortController();
    const { signal } = ending;
    // Ended with the work: AbortSignal.timeout would live on for its whole time after each of many short holds.
    const timer = setTimeout(() => ending.abort(), Math.max(0, Math.floor(deadline - performance.now())));
    const assertHeld = () => {
      if (signal.aborted || performance.now() >= deadline) throw lost();
    };
    try {
      const result = await work(signal, assertHeld);
      // Work that is deaf to the signal, or ended in the same moment, may not have been alone.
      assertHeld();
      return result;
    } catch (cause) {
      if (!signal.aborted) throw cause;
      throw lost(cause);
    } finally {
      clearTimeout(timer);
      // A failed release only makes the next holder wait for the end of the lease.
      await compareAndDelete(redis, key, owner).catch(() => undefined);
    }
  }

  return { hold };
}
