// Soon enough that what was only away is looked at soon, rare enough not to hammer what stays away.
const leastMs = 60_000;

export interface ReconcileRest {
  /** Runs in a row that could not look at everything; 0 after one that could. */
  readonly inARow: number;
  readonly intervalMs: number;
}

/**
 * How long to rest after a run, in milliseconds: the interval, and after one that could not look at everything a
 * minute, doubling up to the interval. A quarter of it is random, so that registries do not fall into step.
 */
export function restAfter({ inARow, intervalMs }: ReconcileRest): number {
  if (inARow === 0) return intervalMs;
  const doubled = leastMs * 2 ** Math.min(20, inARow - 1);
  return Math.min(intervalMs, Math.round(doubled * (0.875 + Math.random() * 0.25)));
}
