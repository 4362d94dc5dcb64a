const leastMs = 500;
const mostMs = 30_000;

/**
 * How long a job sleeps that cannot go on because of something around it: doubling from half a second to half a minute,
 * with jitter, so that a thousand jobs do not come back in one moment.
 */
export function sleepMs(sleepsBefore: number): number {
  const doubled = Math.min(mostMs, leastMs * 2 ** Math.min(20, Math.max(0, sleepsBefore - 1)));
  return Math.round(doubled * (0.75 + Math.random() * 0.5));
}

// Whoever asks for more is tried again after this long: nobody may put a job to sleep for days.
const askedMostMs = 10 * 60_000;

/** How long a job sleeps when the other side asked for `askedMs`: that and a little more, so that not all come back at once. */
export function askedSleepMs(askedMs: number): number {
  return Math.round(Math.min(askedMostMs, askedMs) * (1 + Math.random() * 0.25));
}
