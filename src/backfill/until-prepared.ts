import { setTimeout as sleep } from 'node:timers/promises';
import type { BaselineStore } from '../ports/baseline.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { Tell } from './backfill-event.ts';
import type { BackfillSelection } from './selection.ts';
import { incompleteBaselines } from './take-baselines.ts';

export interface UntilPreparedOptions {
  /** With the chosen rules alone. */
  readonly ruleSet: RuleSet;
  readonly selection: Pick<BackfillSelection, 'registries'>;
  readonly baseline: BaselineStore;
  readonly tell: Tell;
  /** Between two looks, in milliseconds. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits until the workers know of every chosen rule what stood before it; until then nothing can be taken out of that.
 * @throws AutosignError `redis-unreachable`; the reason of `signal` once it is aborted
 */
export async function untilPrepared(options: UntilPreparedOptions): Promise<void> {
  const { ruleSet, selection, baseline, tell, pollMs, signal } = options;
  let told = '';
  for (;;) {
    signal.throwIfAborted();
    const incomplete = await incompleteBaselines(ruleSet, baseline);
    const rules = incomplete
      .filter(({ registry }) => selection.registries.includes(registry))
      .map(({ rule, registry }) => ({ rule: rule.name, registry }));
    if (rules.length === 0) return;
    if (JSON.stringify(rules) !== told) tell({ step: 'preparing', rules });
    told = JSON.stringify(rules);
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
