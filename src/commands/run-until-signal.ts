import type { Logger } from '../observability/logger.ts';
import { exitCodes } from './exit-codes.ts';

/** A service that runs until it is closed. */
export interface Running {
  /** Takes nothing new, ends what is under way. */
  close(): Promise<void>;
}

export interface RunUntilSignalOptions {
  readonly running: Running;
  /** How long `close` may take before the process ends without it, in milliseconds. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

const signals = ['SIGTERM', 'SIGINT'] as const;

/**
 * Waits for SIGTERM or SIGINT, then closes `running`. A second signal, or a close that takes too long, ends the
 * process at once with exit code 1.
 */
export async function runUntilSignal({ running, timeoutMs, logger }: RunUntilSignalOptions): Promise<void> {
  const first = Promise.withResolvers<string>();
  let received = 0;
  // One listener from the start to the end: in a gap between two a signal would kill the process unheard.
  const onSignal = (signal: string) => {
    received += 1;
    if (received === 1) first.resolve(signal);
    else endNow(logger, 'second signal');
  };
  for (const name of signals) process.on(name, onSignal);
  const signal = await first.promise;
  logger.info({ signal, timeoutMs }, 'stopping');
  const timer = setTimeout(() => endNow(logger, 'AUTOSIGN_SHUTDOWN_TIMEOUT is over'), timeoutMs);
  try {
    await running.close();
    logger.info('stopped');
  } finally {
    clearTimeout(timer);
    for (const name of signals) process.off(name, onSignal);
  }
}

function endNow(logger: Logger, reason: string): never {
  logger.warn({ reason }, 'stopped without finishing');
  process.exit(exitCodes.failed);
}
