import type { BaselineStore } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import type { BackfillLane } from '../queue/backfill-lane.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { LookAtImageOptions } from './look-at-image.ts';

export interface TakeImageOptions {
  readonly ruleSet: RuleSet;
  readonly baseline: Pick<BaselineStore, 'admit'>;
  readonly lane: BackfillLane;
  readonly clock: Clock;
  /** Resolved when there is room for another job of this backfill. */
  readonly room: () => Promise<void>;
  /** Ends the wait for a place in the lane. */
  readonly signal: AbortSignal;
}

/**
 * Has an image signed: takes it out of the baselines of the rules whose signatures it lacks, then queues a job for it
 * that says nothing but where to look. What decides is in the baselines, which only whoever has these rules can name:
 * a reconcile would now queue the same, so a job that is lost is found again.
 */
export function takeImages(options: TakeImageOptions): LookAtImageOptions['take'] {
  const { ruleSet, baseline, lane, clock, room, signal } = options;
  return async ({ image, scope, missing }) => {
    await room();
    const rules = new Set(missing.flatMap((intent) => intent.rules).filter(({ existing }) => existing === 'ignore'));
    for (const rule of rules) {
      if (await baseline.admit(ruleIdentity(ruleSet, rule), image, scope.subject.digest)) continue;
      return { waits: `Rule ${rule.name} is preparing: the walk over what stood before it runs.` };
    }
    const { registry, repository, tag } = image;
    const cause = { kind: 'backfill', requestedAt: clock.now().toISOString() } as const;
    const { id } = await lane.add({ version: 1, registry, repository, tag, lane: 'backfill', cause }, signal);
    return { job: id };
  };
}
