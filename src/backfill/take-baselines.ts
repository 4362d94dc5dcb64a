import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../observability/logger.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule, RuleSet } from '../rules/rule-set.ts';
import { type WalkOptions, walkRegistry } from './walk-registry.ts';

export interface TakeBaselinesOptions {
  readonly ruleSet: RuleSet;
  readonly clientOf: (registry: string) => WalkOptions['client'] | undefined;
  readonly baseline: BaselineStore;
  /** Tags looked up at once. */
  readonly concurrency: number;
  /**
   * How long a baseline that is not empty stays open after the walk, so that the event of an image that was pushed
   * while the walk ran can still arrive and take it out.
   */
  readonly settleMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called with each baseline when it is complete. */
  readonly onComplete: (rule: Rule, registry: string) => Promise<void>;
}

/** What is still preparing after a try, for `readyz` and the log. */
export interface PreparingRule {
  readonly rule: string;
  readonly registry: string;
  readonly reason: string;
}

/**
 * Records what stood before each rule with `existing: ignore` whose baseline is not complete yet: one walk a
 * registry for all its rules. A registry that cannot be listed leaves its rules preparing, with the reason.
 */
export async function takeBaselines(options: TakeBaselinesOptions): Promise<readonly PreparingRule[]> {
  const preparing: PreparingRule[] = [];
  const incomplete = await incompleteBaselines(options.ruleSet, options.baseline);
  for (const registry of new Set(incomplete.map((pair) => pair.registry))) {
    const rules = incomplete.filter((pair) => pair.registry === registry).map((pair) => pair.rule);
    try {
      await takeBaseline(registry, rules, options);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      options.logger.warn(
        { registry, rules: rules.map((rule) => rule.name), err: error },
        'baseline: the registry cannot be walked yet',
      );
      preparing.push(...rules.map((rule) => ({ rule: rule.name, registry, reason })));
    }
  }
  return preparing;
}

/** Every rule with `existing: ignore` and registry of it whose baseline is not complete. */
export async function incompleteBaselines(
  ruleSet: RuleSet,
  baseline: BaselineStore,
): Promise<readonly { readonly rule: Rule; readonly registry: string }[]> {
  const pairs = ruleSet.rules
    .filter((rule) => rule.state !== 'off' && rule.existing === 'ignore')
    .flatMap((rule) => rule.registries.map((registry) => ({ rule, registry })));
  const complete = await Promise.all(
    pairs.map(({ rule, registry }) => baseline.isComplete(ruleIdentity(ruleSet, rule), registry)),
  );
  return pairs.filter((_, index) => !complete[index]);
}

async function takeBaseline(registry: string, rules: readonly Rule[], options: TakeBaselinesOptions): Promise<void> {
  const { ruleSet, clientOf, baseline, concurrency, settleMs, logger, signal, onComplete } = options;
  const client = clientOf(registry);
  if (client === undefined) return;
  let found = 0;
  for await (const walked of walkRegistry({ client, rules, concurrency })) {
    signal.throwIfAborted();
    found += 1;
    const image = { registry, repository: walked.repository, tag: walked.tag };
    for (const rule of walked.rules) await baseline.enter(ruleIdentity(ruleSet, rule), image, walked.digest);
  }
  if (found > 0) await sleep(settleMs, undefined, { signal });
  for (const rule of rules) {
    await baseline.complete(ruleIdentity(ruleSet, rule), registry);
    logger.info(
      { rule: rule.name, registry, images: found },
      'baseline: complete; what stood before the rule stays unsigned',
    );
    await onComplete(rule, registry);
  }
}
