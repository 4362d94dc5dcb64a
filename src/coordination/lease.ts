import { randomUUID } from 'node:crypto';
import { AutosignError } from '../domain/errors.ts';
import { compareAndDelete } from './compare-and-delete.ts';
import type { RedisConnection } from './redis-connection.ts';
import { askRedis } from './redis-error.ts';

/** A name that one process holds until it lets go, dies, or Redis loses its data. */
export interface Lease {
  /** What Redis holds while the lease lasts: `key` with the value `owner`. */
  readonly key: string;
  readonly owner: string;
  /** Aborted with AutosignError `lock-lost` as soon as somebody else may hold the lease. */
  readonly signal: AbortSignal;
  /** Lets go; never rejected. */
  release(): Promise<void>;
}

export interface Leases {
  /**
   * The lease of `name`, or undefined while somebody holds it.
   * @throws AutosignError `redis-unreachable`
   */
  take(name: string): Promise<Lease | undefined>;
}

export interface LeasesOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  /** After this time without renewal Redis gives the lease away. */
  readonly leaseMs: number;
  /** Between two renewals; some of them may fail before the lease is lost. */
  readonly renewMs: number;
}

const renewScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;

/**
 * Leases for work that takes long and must be done by one process at a time (`SET NX PX`, renewed while it is held).
 * Like a lock it only saves work: a process that freezes past its lease cannot know.
 */
export function createLeases({ redis, prefix, leaseMs, renewMs }: LeasesOptions): Leases {
  return {
    take: async (name) => {
      const key = `${prefix}:lease:${name}`;
      const owner = randomUUID();
      // Counted from before the request, as in createRedisLock.
      const askedAt = performance.now();
      const taken = await askRedis('grant a lease', () => redis.set(key, owner, 'PX', leaseMs, 'NX'));
      if (taken !== 'OK') return undefined;
      const renew = () => redis.eval(renewScript, 1, key, owner, leaseMs);
      const { signal, stop } = keepRenewing({ name, leaseMs, renewMs, askedAt, renew });
      const release = async () => {
        stop();
        // A failed release only makes the next holder wait for the end of the lease.
        await compareAndDelete(redis, key, owner).catch(() => undefined);
      };
      return { key, owner, signal, release };
    },
  };
}

interface Renewal {
  readonly name: string;
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly askedAt: number;
  /** Answers 1 when the lease was still ours and lasts on. */
  readonly renew: () => Promise<unknown>;
}

function keepRenewing({ name, leaseMs, renewMs, askedAt, renew }: Renewal) {
  const lost = new AbortController();
  let renewal: NodeJS.Timeout | undefined;
  let end: NodeJS.Timeout | undefined;

  function stop(): void {
    clearInterval(renewal);
    clearTimeout(end);
  }
  function lose(reason: string, cause?: unknown): void {
    stop();
    lost.abort(new AutosignError('lock-lost', `The lease of ${name} is lost: ${reason}.`, { cause }));
  }
  // One renewal before the lease ends, so that nothing is begun after it.
  function endAfter(grantedAt: number): void {
    clearTimeout(end);
    const leftMs = grantedAt + leaseMs - renewMs - performance.now();
    end = setTimeout(() => lose(`Redis has not renewed it for ${leaseMs - renewMs} ms`), Math.max(0, leftMs));
  }
  async function renewOnce(): Promise<void> {
    const sentAt = performance.now();
    try {
      const renewed = await renew();
      if (lost.signal.aborted || renewal === undefined) return;
      if (renewed === 1) endAfter(sentAt);
      else lose('another process holds it, or Redis has lost its data');
    } catch {
      // The next renewal, or the end, follows.
    }
  }

  endAfter(askedAt);
  renewal = setInterval(() => void renewOnce(), renewMs);
  return {
    signal: lost.signal,
    stop: () => {
      stop();
      renewal = undefined;
    },
  };
}
