import type { SubjectLock } from '../../../src/ports/subject-lock.ts';

export interface InProcessLock extends SubjectLock {
  /** Every name that was held, in order. */
  readonly held: readonly string[];
}

/** Excludes callers of one process, without lease or deadline. */
export function createInProcessLock(): InProcessLock {
  const last = new Map<string, Promise<unknown>>();
  const held: string[] = [];
  return {
    held,
    hold(name, work) {
      const turn = (last.get(name) ?? Promise.resolve()).then(() => {
        held.push(name);
        return work(new AbortController().signal, () => undefined);
      });
      last.set(
        name,
        turn.catch(() => undefined),
      );
      return turn;
    },
  };
}
