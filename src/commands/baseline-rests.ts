import type { WalkRests } from '../backfill/take-baselines.ts';
import { restAfter } from './reconcile-rest.ts';

/** A walk that failed at once costs little and is tried again soon; no rest is longer than so many times the walk. */
const timesTook = 10;
/** The longest rest, as between reconciles. */
const intervalMs = 15 * 60_000;

/** Rests after walks that failed, growing as those of a reconcile do, on a clock in milliseconds. */
export function createWalkRests(now: () => number = () => performance.now()): WalkRests {
  const failures = new Map<string, { readonly reason: string; readonly inARow: number; readonly untilMs: number }>();
  const nameOf = (identity: string, registry: string) => `${identity} ${registry}`;

  return {
    reasonOf: (identity, registry) => {
      const failure = failures.get(nameOf(identity, registry));
      return failure !== undefined && now() < failure.untilMs ? failure.reason : undefined;
    },
    failed: (identity, registry, { reason, tookMs }) => {
      const name = nameOf(identity, registry);
      const inARow = (failures.get(name)?.inARow ?? 0) + 1;
      const restMs = Math.min(restAfter({ inARow, intervalMs }), timesTook * tookMs);
      failures.set(name, { reason, inARow, untilMs: now() + restMs });
    },
  };
}
