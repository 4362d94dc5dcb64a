import { setTimeout as sleep } from 'node:timers/promises';
import { incompleteBaselines, type PreparingRule, takeBaselines } from '../backfill/take-baselines.ts';
import type { UnsignedExistingOptions } from '../backfill/unsigned-existing.ts';
import type { Logger } from '../observability/logger.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import type { FirstSeen } from '../ports/first-seen.ts';
import type { Rule } from '../rules/rule-set.ts';
import type { Desired } from '../worker/desired.ts';
import { createWalkRests } from './baseline-rests.ts';
import { reportExisting } from './existing-report.ts';
import { createRuleNoter } from './first-seen.ts';

export interface BaselineLoopOptions {
  readonly desired: () => Desired;
  readonly baseline: BaselineStore;
  readonly firstSeen: FirstSeen;
  readonly formats: UnsignedExistingOptions['formats'];
  readonly clock: Clock;
  readonly stateDir: string;
  readonly logger: Logger;
}

export interface BaselineLoop {
  /** Every rule whose baseline is not complete, with what stands in its way. */
  preparing(): Promise<readonly PreparingRule[]>;
  close(): Promise<void>;
}

const pollMs = 2_000;
const settleMs = 5_000;
const tagsAtOnce = 8;
// Alibaba Cloud refuses requests of a machine whose clock differs from its own by more.
const clocksApartMs = 15 * 60_000;

/**
 * Keeps the baselines of the rules complete while the service runs: takes those that are missing, tries again what
 * could not be walked, and lists what stood before each rule in a file below the state directory.
 */
export function startBaselineLoop(options: BaselineLoopOptions): BaselineLoop {
  const { desired, baseline, firstSeen, logger, ...reporting } = options;
  const noteRules = createRuleNoter(firstSeen);
  const rests = createWalkRests();
  const stopping = new AbortController();
  let failed: readonly PreparingRule[] = [];
  let reports: Promise<void> = Promise.resolve();

  // One after the other, and beside the walks: every image is looked at, which may take long, and rules wait for a walk.
  function report(rule: Rule, registry: string): void {
    const { ruleSet, keyRing, registries } = desired();
    const access = registries.get(registry);
    if (access === undefined) return;
    const { signal } = stopping;
    const all = { ...reporting, rule, ruleSet, keyRing, access, baseline, logger, signal, concurrency: tagsAtOnce };
    reports = reports
      .then(() => reportExisting(all))
      .catch((error: unknown) => {
        if (signal.aborted) return;
        logger.error(
          { rule: rule.name, registry, err: error },
          'baseline: what stood before the rule cannot be listed',
        );
      });
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const { ruleSet, registries } = desired();
      try {
        await noteRules(ruleSet);
        failed = await takeBaselines({
          ruleSet,
          accessTo: (registry) => registries.get(registry),
          baseline,
          firstSeen,
          clocksApartMs,
          concurrency: tagsAtOnce,
          settleMs,
          logger,
          signal: stopping.signal,
          onComplete: report,
          rests,
        });
      } catch (error) {
        if (!stopping.signal.aborted)
          logger.warn({ err: error }, 'baseline: cannot be looked after now, is tried again');
      }
      await sleep(pollMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    preparing: async () => {
      const incomplete = await incompleteBaselines(desired().ruleSet, baseline);
      return incomplete.map(({ rule, registry }) => {
        const failure = failed.find((known) => known.rule === rule.name && known.registry === registry);
        return failure ?? { rule: rule.name, registry, reason: 'the walk over what stood before it runs' };
      });
    },
    close: async () => {
      stopping.abort();
      await running;
      await reports;
    },
  };
}
