const leastMs = 500;
const mostMs = 60_000;

/**
 * How long a job sleeps that cannot go on because of something around it: doubling from half a second to a minute,
 * with jitter, so that a thousand jobs do not come back in one moment.
 */
export function sleepMs(sleepsBefore: number): number {
  const doubled = Math.min(mostMs, leastMs * 2 ** Math.min(20, Math.max(0, sleepsBefore - 1)));
  return Math.round(doubled * (0.75 + Math.random() * 0.5));
}
