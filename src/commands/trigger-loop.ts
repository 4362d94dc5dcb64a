import { setTimeout as sleep } from 'node:timers/promises';
import type { AcrApi } from '../alibaba/acr-api.ts';
import type { Leases } from '../coordination/lease.ts';
import type { RestStore } from '../coordination/rest-store.ts';
import { sha256Hex } from '../domain/digest.ts';
import { isAutosignError, nextStepOf } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type SyncReport, syncTriggers } from '../triggers/sync-triggers.ts';
import { type TriggerRegistry, wantsTriggers } from './open-triggers.ts';
import { restAfter } from './reconcile-rest.ts';
import { countChanges } from './triggers-text.ts';

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

/**
 * Gives new repositories their trigger while the service runs: at the start, every interval, and when the rules change.
 * Of all processes of a deployment one at a time looks after a registry. Registries whose rules do not say what triggers
 * call are left alone.
 */
export function startTriggerLoop(options: TriggerLoopOptions): TriggerLoop {
  const { rules, rests, leases, logger } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const failedInARow = new Map<string, number>();
  /** Why nothing can be done about a registry from here: said once. */
  const said = new Map<string, string>();

  async function urlOf(registry: TriggerRegistry): Promise<string | undefined> {
    try {
      const url = await options.urlOf(registry);
      said.delete(registry.name);
      return url;
    } catch (error) {
      if (!isAutosignError(error)) throw error;
      if (said.get(registry.name) !== error.message) {
        const fields = { registry: registry.name, reason: error.message, nextStep: nextStepOf(error.code) };
        logger.error(fields, 'triggers: cannot be looked after from here');
      }
      said.set(registry.name, error.message);
      return undefined;
    }
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
      const isWhole = tell(name, report, logger);
      const inARow = isWhole ? 0 : (failedInARow.get(name) ?? 0) + 1;
      failedInARow.set(name, inARow);
      await rests.rest(run, restAfter({ inARow, intervalMs: options.intervalMs }));
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
        await lookAfter(registry, ruleSet).catch((error: unknown) => {
          // Redis is away or the lease is lost: the next try follows.
          if (!signal.aborted)
            logger.debug({ registry: registry.name, err: error }, 'triggers: cannot be looked after now');
        });
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

/** @returns whether all is as it should be */
function tell(registry: string, report: SyncReport, logger: Logger): boolean {
  const { looked, repositories, error } = report;
  for (const { repository, changes, error: why } of repositories) {
    for (const change of changes) logger.info({ registry, repository, ...change }, 'triggers: one was changed');
    if (why !== undefined) {
      const fields = { registry, repository, err: why, nextStep: nextStepOf(why.code) };
      logger.error(fields, 'triggers: those of a repository cannot be set right');
    }
  }
  const { failed, ...counts } = countChanges(report);
  if (error !== undefined) {
    logger.error(
      { registry, err: error, nextStep: nextStepOf(error.code) },
      'triggers: the registry cannot be looked after',
    );
  }
  logger.info({ registry, looked, ...counts, failed }, 'triggers: looked after');
  return error === undefined && failed === 0;
}
