import type { Clock } from '../ports/clock.ts';

/** Remembers since when each name has been paused, for states that do not tell. */
export interface PausedSince {
  /** Tells of all that are paused now; who was not among them the last time is paused since now. */
  note(paused: Iterable<string>): void;
  /** Undefined when it was not among them. */
  of(name: string): Date | undefined;
}

export function createPausedSince(clock: Clock): PausedSince {
  let since: ReadonlyMap<string, Date> = new Map();
  return {
    note: (paused) => {
      const now = clock.now();
      since = new Map([...paused].map((name) => [name, since.get(name) ?? now]));
    },
    of: (name) => since.get(name),
  };
}
