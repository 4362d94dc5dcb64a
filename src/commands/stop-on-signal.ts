import { exitCodes } from './exit-codes.ts';

/** What a Ctrl-C, or SIGTERM, asks a command to do. */
export interface StopOnSignal {
  /** Aborted by the first one: end in order. The second one ends the process at once. */
  readonly signal: AbortSignal;
  close(): void;
}

const signals = ['SIGINT', 'SIGTERM'] as const;

export function stopOnSignal(): StopOnSignal {
  const stopping = new AbortController();
  const onSignal = () => {
    if (stopping.signal.aborted) process.exit(exitCodes.interrupted);
    stopping.abort();
  };
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: stopping.signal,
    close: () => {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}
