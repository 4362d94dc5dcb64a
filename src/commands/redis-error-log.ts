import type { Logger } from '../observability/logger.ts';

// A connection is tried again every second; one line a minute is enough to see that it is still down.
const repeatAfterMs = 60_000;

// The servers of a cluster fail each in its own way; more than these are forgotten together.
const rememberedMax = 100;

/** A listener that logs the failures of a connection: each new one, and one that lasts once a minute. */
export function redisErrorLog(logger: Logger): (error: Error) => void {
  const loggedAt = new Map<string, number>();
  return (error) => {
    const now = Date.now();
    if (now - (loggedAt.get(error.message) ?? Number.NEGATIVE_INFINITY) < repeatAfterMs) return;
    if (loggedAt.size >= rememberedMax) loggedAt.clear();
    loggedAt.set(error.message, now);
    logger.error({ err: error }, 'Redis is not reachable');
  };
}
