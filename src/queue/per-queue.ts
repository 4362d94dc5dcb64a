import type { QueuePlace } from './queue-set.ts';

/** What is opened once for each queue that is asked for. */
export interface PerQueue<T> {
  at(place: QueuePlace): T;
  close(): Promise<void>;
}

export function perQueue<T extends { close(): Promise<void> }>(open: (prefix: string) => T): PerQueue<T> {
  const opened = new Map<string, T>();
  return {
    at: ({ prefix }) => {
      const known = opened.get(prefix) ?? open(prefix);
      opened.set(prefix, known);
      return known;
    },
    close: async () => {
      await Promise.all([...opened.values()].map((one) => one.close()));
    },
  };
}
