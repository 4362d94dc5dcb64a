import type { Logger } from '../observability/logger.ts';
import { exitCodes } from './exit-codes.ts';

/** A service that runs until it is closed. */
export interface Running {
  /** Takes nothing new, ends what is under way. */
  close(): Promise<void>;
}

export interface RunUntilSignalOptions {
  readonly start: () => Promise<Running>;
  /** How long `close` may take before the process ends without it, in milliseconds. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

const signals = ['SIGTERM', 'SIGINT'] as const;
// How long a process that is through may live on, for instance by a connection that a library left open.
const lingerMs = 1_000;

/**
 * Starts a service, waits for SIGTERM or SIGINT, then closes it. A second signal, or a close that takes too long, ends
 * the process at once with exit code 1. A signal during the start is heard too: what has begun is finished and closed.
 */
export async function runUntilSignal({ start, timeoutMs, logger }: RunUntilSignalOptions): Promise<void> {
  const first = Promise.withResolvers<string>();
  let received = 0;
  // One listener from the start to the end: in a gap between two a signal would kill the process unheard.
  const onSignal = (signal: string) => {
    received += 1;
    if (received === 1) first.resolve(signal);
    else endNow(logger, 'second signal');
  };
  for (const name of signals) process.on(name, onSignal);
  let timer: NodeJS.Timeout | undefined;
  try {
    const running = await start();
    const signal = await first.promise;
    logger.info({ signal, timeoutMs }, 'stopping');
    timer = setTimeout(() => endNow(logger, 'AUTOSIGN_SHUTDOWN_TIMEOUT is over'), timeoutMs);
    await running.close();
    logger.info('stopped');
  } finally {
    clearTimeout(timer);
    for (const name of signals) process.off(name, onSignal);
    setTimeout(() => process.exit(), lingerMs).unref();
  }
}

function endNow(logger: Logger, reason: string): never {
  logger.warn({ reason }, 'stopped without finishing');
  process.exit(exitCodes.failed);
}
