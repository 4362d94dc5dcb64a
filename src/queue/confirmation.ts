import type { RedisConnection } from '../coordination/redis-connection.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';

/**
 * Runs an exchange with Redis once the connection is ready. Together they have one deadline. What was sent by then may
 * still arrive: the error means "not confirmed", not "not done". The signal stops the exchange from sending more.
 * @throws AutosignError `redis-unreachable`
 */
export type Confirm = <T>(exchange: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** @param timeoutMs how long one exchange may take, the wait for a connection included */
export function createConfirm(redis: RedisConnection, timeoutMs: number): Confirm {
  // Shared by all who wait: a listener for each would be thousands while Redis is down.
  let nextReady: Promise<void> | undefined;

  function whenReady(): Promise<void> {
    if (redis.status === 'ready') return Promise.resolve();
    nextReady ??= new Promise((resolve) => {
      redis.once('ready', () => {
        nextReady = undefined;
        resolve();
      });
    });
    return nextReady;
  }

  return async (exchange) => {
    const deadline = new AbortController();
    const late = Promise.withResolvers<never>();
    // Ended with the exchange: AbortSignal.timeout would live on for its whole time after each of many quick ones.
    const timer = setTimeout(() => {
      deadline.abort();
      late.reject(unconfirmed(`within ${timeoutMs} ms`));
    }, timeoutMs);
    const confirmed = whenReady().then(() => {
      // After an outage those who were turned away must not all send at once what nobody waits for any more.
      deadline.signal.throwIfAborted();
      return exchange(deadline.signal);
    });
    try {
      return await Promise.race([confirmed, late.promise]);
    } catch (cause) {
      if (isAutosignError(cause, 'redis-unreachable')) throw cause;
      throw unconfirmed('the command', cause);
    } finally {
      clearTimeout(timer);
    }
  };
}

function unconfirmed(what: string, cause?: unknown): AutosignError {
  const message = `Redis has not confirmed ${what}. Check AUTOSIGN_REDIS_URL and the server.`;
  return new AutosignError('redis-unreachable', message, { cause });
}
