import { setTimeout as sleep } from 'node:timers/promises';
import type { AcrApi } from '../alibaba/acr-api.ts';
import type { Leases } from '../coordination/lease.ts';
import type { RestStore } from '../coordination/rest-store.ts';
import { sha256Hex } from '../domain/digest.ts';
import { isAutosignError, nextStepOf } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { syncTriggers } from '../triggers/sync-triggers.ts';
import { type TriggerRegistry, wantsTriggers } from './open-triggers.ts';
import { restAfter } from './reconcile-rest.ts';
import { createUrlSource } from './trigger-url-source.ts';
import { tellOfSync } from './triggers-log.ts';

export interface TriggerLoopOptions {
  readonly rules: () => RuleSet;
  readonly openApi: (registry: TriggerRegistry) => AcrApi;
  /** What the registry's triggers call, a secret. @throws AutosignError `settings-invalid` when that is not known here */
  readonly urlOf: (registry: TriggerRegistry) => Promise<string>;
  readonly leases: Leases;
  readonly rests: RestStore;
  /** Rest after a run, in milliseconds; after one that failed a minute, doubling up to this. */
  readonly intervalMs: number;
  readonly logger: Logger;
  /** Told of each registry whose triggers are all as they should be. */
  readonly onSynced?: ((registry: string) => void) | undefined;
}

export interface TriggerLoop {
  close(): Promise<void>;
}

const pollMs = 1_000;
const unexpectedStep = 'Nothing to do if it ends by itself; if it lasts, tell the makers of this service.';

const stepAfter = (error: unknown) => (isAutosignError(error) ? nextStepOf(error.code) : unexpectedStep);

/**
 * Gives new repositories their trigger while the service runs: at the start, every interval, and when the rules change.
 * Of all processes of a deployment one at a time looks after a registry. Registries whose rules do not say what triggers
 * call are left alone.
 */
export function startTriggerLoop(options: TriggerLoopOptions): TriggerLoop {
  const { rules, rests, leases, logger, intervalMs } = options;
  const urlOf = createUrlSource(options);
  const stopping = new AbortController();
  const { signal } = stopping;
  const failedInARow = new Map<string, number>();
  /** After what failed before a run could rest in Redis, on the clock of `performance`. */
  const notBefore = new Map<string, number>();

  function restOf(name: string, isWhole: boolean): number {
    const inARow = isWhole ? 0 : (failedInARow.get(name) ?? 0) + 1;
    failedInARow.set(name, inARow);
    return restAfter({ inARow, intervalMs });
  }

  function putOff(registry: string, error: unknown): void {
    if (signal.aborted) return;
    // Redis is away or the lease is lost, which the connection logs: the next try follows.
    if (isAutosignError(error, 'redis-unreachable', 'lock-lost')) {
      logger.debug({ registry, err: error }, 'triggers: cannot be looked after now');
      return;
    }
    const restMs = restOf(registry, false);
    notBefore.set(registry, performance.now() + restMs);
    logger.error(
      { registry, err: error, nextStep: stepAfter(error), restMs },
      'triggers: cannot be looked after, is tried again',
    );
  }

  async function lookAfter(registry: TriggerRegistry, ruleSet: RuleSet): Promise<void> {
    const { name } = registry;
    const url = await urlOf(registry);
    if (url === undefined) return;
    // Other rules, or another address, are not what the rest is from.
    const run = `triggers:${name}:${sha256Hex(Buffer.from(`${ruleSet.hash} ${url}`))}`;
    if (await rests.isResting(run)) return;
    const lease = await leases.take(`triggers:${name}`);
    if (lease === undefined) return;
    try {
      // Another process may have ended its run between the two questions.
      if (await rests.isResting(run)) return;
      const api = options.openApi(registry);
      const ending = AbortSignal.any([signal, lease.signal]);
      const report = await syncTriggers({ api, ruleSet, registry: name, url, dryRun: false, signal: ending });
      const isWhole = tellOfSync(name, report, logger);
      await rests.rest(run, restOf(name, isWhole));
      if (isWhole) options.onSynced?.(name);
    } finally {
      await lease.release();
    }
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      const ruleSet = rules();
      for (const registry of [...ruleSet.registries.values()].filter(wantsTriggers)) {
        if (signal.aborted) break;
        if (performance.now() < (notBefore.get(registry.name) ?? 0)) continue;
        await lookAfter(registry, ruleSet).catch((error: unknown) => putOff(registry.name, error));
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  const looping = loop();
  return {
    close: async () => {
      stopping.abort();
      await looping;
    },
  };
}
