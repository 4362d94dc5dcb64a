import { setTimeout as sleep } from 'node:timers/promises';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import type { FirstSeen } from '../ports/first-seen.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule, RuleSet } from '../rules/rule-set.ts';
import { needsCatalogue, type WalkedTag, type WalkOptions, walkRegistry } from './walk-registry.ts';

export interface TakeBaselinesOptions {
  readonly ruleSet: RuleSet;
  readonly accessTo: (registry: string) => Pick<WalkOptions, 'client' | 'listing'> | undefined;
  readonly baseline: BaselineStore;
  readonly firstSeen: FirstSeen;
  /**
   * How far this machine's clock and the registry's may differ, in milliseconds: what was pushed within this time after
   * a rule was first seen may have been pushed before.
   */
  readonly clocksApartMs: number;
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
  readonly onComplete: (rule: Rule, registry: string) => void;
  /** Without any nothing rests after a failure. */
  readonly rests?: WalkRests | undefined;
}

/** What is not walked yet again, because that failed a moment ago. */
export interface WalkRests {
  /** Why the last walk for this rule failed, while it rests after it. */
  reasonOf(identity: string, registry: string): string | undefined;
  failed(identity: string, registry: string, failure: { readonly reason: string; readonly tookMs: number }): void;
}

/** What is still preparing after a try, for `readyz` and the log. */
export interface PreparingRule {
  readonly rule: string;
  readonly registry: string;
  readonly reason: string;
}

/**
 * Records what stood before each rule with `existing: ignore` whose baseline is not complete yet: one walk a registry
 * for the rules that name their repositories, one for those that need its catalogue, since a catalogue that is refused
 * must not hold up the others. A registry that cannot be listed leaves its rules preparing, with the reason.
 * @throws the reason of `signal` once it is aborted; AutosignError `redis-unreachable`
 */
export async function takeBaselines(options: TakeBaselinesOptions): Promise<readonly PreparingRule[]> {
  const { ruleSet, baseline, rests } = options;
  const preparing: PreparingRule[] = [];
  const ready = (await incompleteBaselines(ruleSet, baseline)).filter(({ rule, registry }) => {
    const reason = rests?.reasonOf(ruleIdentity(ruleSet, rule), registry);
    if (reason !== undefined) preparing.push({ rule: rule.name, registry, reason });
    return reason === undefined;
  });
  for (const walk of walksOf(ready)) {
    preparing.push(...(await tryWalk(walk, options)));
  }
  return preparing;
}

/** One walk for all of its rules; when something is refused, one for each, so that it holds up those that cover it. */
async function tryWalk({ registry, rules }: Walk, options: TakeBaselinesOptions): Promise<readonly PreparingRule[]> {
  const { ruleSet, logger, signal, rests } = options;
  const startedAt = performance.now();
  try {
    await takeBaseline(registry, rules, options);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (isAutosignError(error, 'registry-denied') && rules.length > 1) {
      const preparing: PreparingRule[] = [];
      for (const rule of rules) preparing.push(...(await tryWalk({ registry, rules: [rule] }, options)));
      return preparing;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const tookMs = performance.now() - startedAt;
    // What Redis lost is walked again at once: until then nothing of these rules is signed.
    if (!isAutosignError(error, 'redis-unreachable'))
      for (const rule of rules) rests?.failed(ruleIdentity(ruleSet, rule), registry, { reason, tookMs });
    logger.warn(
      { registry, rules: rules.map((rule) => rule.name), err: error },
      'baseline: the registry cannot be walked yet',
    );
    return rules.map((rule) => ({ rule: rule.name, registry, reason }));
  }
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

interface Walk {
  readonly registry: string;
  readonly rules: readonly Rule[];
}

function walksOf(pairs: readonly { readonly rule: Rule; readonly registry: string }[]): readonly Walk[] {
  return [...new Set(pairs.map((pair) => pair.registry))].flatMap((registry) => {
    const rules = pairs.filter((pair) => pair.registry === registry).map((pair) => pair.rule);
    return [
      { registry, rules: rules.filter((rule) => !needsCatalogue(rule)) },
      { registry, rules: rules.filter(needsCatalogue) },
    ].filter((walk) => walk.rules.length > 0);
  });
}

async function takeBaseline(registry: string, rules: readonly Rule[], options: TakeBaselinesOptions): Promise<void> {
  const { ruleSet, accessTo, baseline, firstSeen, clocksApartMs, concurrency, settleMs, logger, signal } = options;
  const access = accessTo(registry);
  if (access === undefined) return;
  const { client, listing } = access;
  const found = new Map(rules.map((rule) => [rule, 0]));
  const walks = new Map<Rule, string>();
  const since = new Map<Rule, Date>();
  for (const rule of rules) {
    const identity = ruleIdentity(ruleSet, rule);
    since.set(rule, await firstSeen.since(identity, registry));
    walks.set(rule, await baseline.begin(identity, registry));
  }
  for await (const walked of walkRegistry({ client, listing, rules, concurrency, signal })) {
    const image = { registry, repository: walked.repository, tag: walked.tag };
    for (const rule of walked.rules) {
      if (isPushedAfter(walked, since.get(rule), clocksApartMs)) continue;
      await baseline.enter(ruleIdentity(ruleSet, rule), image, walked.digest);
      found.set(rule, (found.get(rule) ?? 0) + 1);
    }
  }
  if ([...found.values()].some((images) => images > 0)) await sleep(settleMs, undefined, { signal });
  const complete: Rule[] = [];
  for (const [rule, walk] of walks) {
    if (!(await baseline.complete(ruleIdentity(ruleSet, rule), registry, walk))) continue;
    complete.push(rule);
    const images = found.get(rule);
    logger.info({ rule: rule.name, registry, images }, 'baseline: complete; what stood before the rule stays unsigned');
  }
  for (const rule of complete) options.onComplete(rule, registry);
  if (complete.length === rules.length) return;
  throw new AutosignError('redis-unreachable', `Redis lost its data while ${registry} was walked; it is walked again.`);
}

/** After a loss of the baselines a rule is older than what was pushed for it: where push times are told, that is new. */
function isPushedAfter({ pushedAt }: WalkedTag, since: Date | undefined, clocksApartMs: number): boolean {
  return pushedAt !== undefined && since !== undefined && pushedAt.getTime() > since.getTime() + clocksApartMs;
}
