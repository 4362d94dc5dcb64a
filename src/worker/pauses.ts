import type { Clock } from '../ports/clock.ts';

/** What can be paused as a whole. */
type PauseScope = 'key' | 'registry';

/** A key or registry that jobs do not try now, because something around them is wrong. */
interface Pause {
  readonly scope: PauseScope;
  readonly name: string;
  readonly reason: string;
  readonly since: Date;
  /** When one job tries again. */
  readonly until: Date;
}

/** The pauses of one worker process. */
export interface Pauses {
  /** Why this is not to be tried now; undefined also when a pause has run out. Takes nobody's turn. */
  reasonFor(scope: PauseScope, name: string): string | undefined;
  /** Likewise, by whoever is about to try: after the pause's time one caller gets undefined and tries for all. */
  admit(scope: PauseScope, name: string): string | undefined;
  /** Pauses it, each time in a row for twice as long, and at least as long as the other side asked for. */
  pause(scope: PauseScope, name: string, reason: string, askedMs?: number): void;
  /**
   * One job failed in a way that may be its image's alone. The third image in a row, with no success between, pauses;
   * while it is paused already, the first one goes on with the pause.
   */
  suspect(scope: PauseScope, name: string, image: string, reason: string): void;
  /**
   * It worked for a job that began at `begunAt`: whatever paused it before is over. What paused it later, while that
   * job was under way, is not.
   */
  resume(scope: PauseScope, name: string, begunAt: Date): void;
  /** Every pause in force, for readiness and metrics. */
  list(): readonly Pause[];
}

export interface PausesOptions {
  readonly clock: Clock;
  /** The alarm: called when a pause begins. */
  readonly onPaused: (pause: Pause) => void;
  readonly onResumed: (pause: Pause) => void;
}

// Short enough that work goes on within seconds of the end of a fault, long enough not to hammer what is down.
const leastMs = 1_000;
const mostMs = 15_000;
// Whoever asks for more (`Retry-After`) is tried again after this long: nobody may put all jobs to sleep for days.
const askedMsMax = 10 * 60_000;

// One image may make a registry answer 500; three different ones in a row are the registry's fault.
const suspectsMax = 3;

interface Entry extends Pause {
  readonly lastMs: number;
  /** When it was paused last. */
  readonly pausedAt: Date;
  /** Somebody was let through to try for all. */
  readonly tried: boolean;
}

/**
 * Keeps a thousand jobs from finding out one by one what the first has found out. In memory: another process, or this
 * one after a restart, finds out by itself.
 */
export function createPauses({ clock, onPaused, onResumed }: PausesOptions): Pauses {
  const entries = new Map<string, Entry>();
  const suspects = new Map<string, Set<string>>();
  const keyOf = (scope: PauseScope, name: string) => `${scope}:${name}`;

  function pause(scope: PauseScope, name: string, reason: string, askedMs = 0): void {
    const before = entries.get(keyOf(scope, name));
    const lastMs = before === undefined ? leastMs : Math.min(mostMs, before.lastMs * 2);
    const now = clock.now();
    const askedUntil = new Date(now.getTime() + Math.min(askedMsMax, askedMs));
    // Jobs that were under way together fail together; that is one failure, not many in a row.
    if (before !== undefined && !before.tried && now < before.until) {
      if (askedUntil > before.until) entries.set(keyOf(scope, name), { ...before, until: askedUntil });
      return;
    }
    const until = new Date(Math.max(now.getTime() + lastMs, askedUntil.getTime()));
    const entry = { scope, name, reason, since: before?.since ?? now, until, lastMs, pausedAt: now, tried: false };
    entries.set(keyOf(scope, name), entry);
    if (before === undefined) onPaused(entry);
  }

  return {
    reasonFor: (scope, name) => {
      const entry = entries.get(keyOf(scope, name));
      return entry !== undefined && clock.now() < entry.until ? entry.reason : undefined;
    },
    admit: (scope, name) => {
      const entry = entries.get(keyOf(scope, name));
      if (entry === undefined) return undefined;
      const now = clock.now().getTime();
      if (now < entry.until.getTime()) return entry.reason;
      // This caller tries; the others wait for what it finds, or for the next turn should it never ask.
      entries.set(keyOf(scope, name), { ...entry, until: new Date(now + entry.lastMs), tried: true });
      return undefined;
    },
    pause,
    suspect: (scope, name, image, reason) => {
      const key = keyOf(scope, name);
      const images = suspects.get(key) ?? new Set();
      if (images.size < suspectsMax) suspects.set(key, images.add(image));
      if (images.size >= suspectsMax || entries.has(key)) pause(scope, name, reason);
    },
    resume: (scope, name, begunAt) => {
      suspects.delete(keyOf(scope, name));
      const entry = entries.get(keyOf(scope, name));
      if (entry === undefined || begunAt < entry.pausedAt) return;
      entries.delete(keyOf(scope, name));
      onResumed(entry);
    },
    list: () => {
      // A pause that ran out with nobody trying since is none: other processes may have done the work.
      const now = clock.now().getTime();
      return [...entries.values()].filter(({ until }) => now < until.getTime() + mostMs);
    },
  };
}
