import { resolve } from 'node:path';
import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import { AutosignError } from '../domain/errors.ts';
import { systemClock } from '../ports/clock.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { syncTriggers } from '../triggers/sync-triggers.ts';
import { exitCodes } from './exit-codes.ts';
import { hasTriggers, openTriggerApi, type TriggerRegistry, wantsTriggers } from './open-triggers.ts';
import { printJson, printLines } from './terminal.ts';
import { jsonOfReport, linesOfReport, type TriggersReport } from './triggers-text.ts';
import { readTriggerUrl } from './webhook-token.ts';

export interface TriggersSyncOptions {
  readonly rules: string;
  readonly registry?: string;
  readonly dryRun?: true;
  readonly remove?: true;
  readonly json?: true;
}

/** Brings the triggers of one or all registries to what the rules want, or takes ours away, and prints what that was. */
export async function runTriggersSync(options: TriggersSyncOptions): Promise<void> {
  const ruleSet = await loadRuleSet(resolve(options.rules));
  const reports = await syncAll(ruleSet, options);
  const dryRun = options.dryRun === true;
  if (options.json) printJson({ dryRun, registries: reports.map(jsonOfReport) });
  else printLines(reports.flatMap((report) => linesOfReport(report, dryRun)));
  const failed = ({ error, repositories }: TriggersReport) =>
    error !== undefined || repositories.some((each) => each.error !== undefined);
  process.exitCode = reports.some(failed) ? exitCodes.failed : exitCodes.ok;
}

async function syncAll(ruleSet: RuleSet, options: TriggersSyncOptions): Promise<readonly TriggersReport[]> {
  const chosen = chooseRegistries(ruleSet, options);
  const urlOf = (registry: TriggerRegistry) => (options.remove ? undefined : readTriggerUrl(registry, process.env));
  // A token that is wrong is found before anything is changed anywhere.
  const urls = await Promise.all(chosen.map(urlOf));
  const base = createBaseCredentials();
  // A Ctrl-C ends the process: each change stands for itself, and the next run makes the others.
  const { signal } = new AbortController();
  const reports: TriggersReport[] = [];
  for (const [index, registry] of chosen.entries()) {
    const api = openTriggerApi(registry, { base, clock: systemClock });
    const of = { api, ruleSet, registry: registry.name, url: urls[index] };
    reports.push({
      registry: registry.name,
      ...(await syncTriggers({ ...of, dryRun: options.dryRun === true, signal })),
    });
  }
  return reports;
}

function chooseRegistries(
  { registries }: RuleSet,
  { registry: wanted, remove }: TriggersSyncOptions,
): readonly TriggerRegistry[] {
  const possible = [...registries.values()].filter(remove ? hasTriggers : wantsTriggers);
  const chosen = possible.filter(({ name }) => wanted === undefined || name === wanted);
  if (chosen.length > 0) return chosen;
  const needed = remove ? 'acr' : 'acr, webhook.url, and webhook.tokenEnv or tokenFile';
  const names = possible.map(({ name }) => name).join(', ') || 'none';
  const found = wanted === undefined ? 'no registry has' : `"${wanted}" is no registry that has`;
  throw new AutosignError('usage', `In the rules file ${found} ${needed}; those that have: ${names}.`);
}
