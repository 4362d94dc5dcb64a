import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { incompleteBaselines, type PreparingRule, takeBaselines } from '../backfill/take-baselines.ts';
import type { Logger } from '../observability/logger.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule } from '../rules/rule-set.ts';
import type { Desired } from '../worker/desired.ts';

export interface BaselineLoopOptions {
  readonly desired: () => Desired;
  readonly baseline: BaselineStore;
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

/**
 * Keeps the baselines of the rules complete while the service runs: takes those that are missing, tries again what
 * could not be walked, and lists what stood before each rule in a file below the state directory.
 */
export function startBaselineLoop({ desired, baseline, stateDir, logger }: BaselineLoopOptions): BaselineLoop {
  const stopping = new AbortController();
  let failed: readonly PreparingRule[] = [];

  async function report(rule: Rule, registry: string): Promise<void> {
    const { ruleSet } = desired();
    const lines: string[] = [];
    for await (const [image, digest] of baseline.entries(ruleIdentity(ruleSet, rule), registry)) {
      lines.push(`${JSON.stringify({ registry, image, digest })}\n`);
    }
    if (lines.length === 0) return;
    const file = join(stateDir, `existing-${rule.name}-${registry}.jsonl`);
    await mkdir(stateDir, { recursive: true });
    await writeFile(file, lines.sort().join(''));
    logger.warn(
      { rule: rule.name, registry, images: lines.length, file },
      'these images stood before the rule and are not signed',
    );
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const { ruleSet, registries } = desired();
      try {
        failed = await takeBaselines({
          ruleSet,
          clientOf: (registry) => registries.get(registry)?.client,
          baseline,
          concurrency: tagsAtOnce,
          settleMs,
          logger,
          signal: stopping.signal,
          onComplete: report,
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
    },
  };
}
