import type { Logger } from '../observability/logger.ts';

// A connection is tried again every second; one line a minute is enough to see that it is still down.
const repeatAfterMs = 60_000;

/** A listener that logs the failures of a connection: each new one, and one that lasts once a minute. */
export function redisErrorLog(logger: Logger): (error: Error) => void {
  let last = '';
  let loggedAt = 0;
  return (error) => {
    if (error.message === last && Date.now() - loggedAt < repeatAfterMs) return;
    last = error.message;
    loggedAt = Date.now();
    logger.error({ err: error }, 'Redis is not reachable');
  };
}
