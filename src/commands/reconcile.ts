import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createReconcileSchedule,
  type ReconcileRun,
  type ReconcileSchedule,
  type RedisTime,
} from '../coordination/reconcile-schedule.ts';
import { AutosignError } from '../domain/errors.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { registriesToWalk } from './reconcile-loop.ts';
import { readRedisUrl } from './settings.ts';
import { paint, printJson, printLines, withoutControls } from './terminal.ts';

export interface ReconcileCommandOptions {
  readonly rules: string;
  readonly registry?: string;
  readonly wait?: true;
  readonly timeout: number;
  readonly json?: true;
}

/** What became of the request for one registry, as `--json` prints it. */
interface RegistryReport {
  readonly registry: string;
  readonly status: 'asked' | 'compared' | 'not-walked' | 'late';
  readonly counts?: ReconcileRun['counts'];
  readonly error?: string;
}

const pollMs = 500;

/** Asks the workers for a reconcile and, when told to, waits for it and prints what it found. */
export async function runReconcile(options: ReconcileCommandOptions): Promise<void> {
  const redisUrl = readRedisUrl(process.env);
  const names = chooseRegistries(await loadRuleSet(resolve(options.rules)), options.registry);
  const reports = await askFor(names, redisUrl, options);
  if (options.json) printJson({ registries: reports });
  else printLines(reports.map(lineOf));
  process.exitCode = exitCodeOfReports(reports);
}

function chooseRegistries(ruleSet: RuleSet, wanted: string | undefined): readonly string[] {
  const names = registriesToWalk({ ruleSet });
  if (wanted === undefined) return names;
  if (names.includes(wanted)) return [wanted];
  const known = names.length === 0 ? 'none' : names.join(', ');
  throw new AutosignError('usage', `--registry: no rule in state sign names "${wanted}"; they name: ${known}.`);
}

async function askFor(
  names: readonly string[],
  redisUrl: string,
  { wait, timeout }: ReconcileCommandOptions,
): Promise<readonly RegistryReport[]> {
  const redis = connectStore({ redisUrl, onError: () => undefined });
  const schedule = createReconcileSchedule({ redis, prefix: signQueuePrefix });
  try {
    const since = await schedule.now();
    for (const name of names) await schedule.want(name, since);
    if (!wait) return names.map((registry) => ({ registry, status: 'asked' }));
    const giveUpAt = performance.now() + timeout;
    return await Promise.all(names.map((name) => waitForRun(name, { schedule, since, giveUpAt })));
  } finally {
    await closeConnection(redis);
  }
}

async function waitForRun(
  registry: string,
  { schedule, since, giveUpAt }: { schedule: ReconcileSchedule; since: RedisTime; giveUpAt: number },
): Promise<RegistryReport> {
  while (performance.now() < giveUpAt) {
    const run = await schedule.lastRun(registry);
    if (run !== undefined && run.startedAt > since) return reportOf(registry, run);
    await sleep(pollMs);
  }
  return { registry, status: 'late' };
}

function reportOf(registry: string, { counts, error = 'no reason is known' }: ReconcileRun): RegistryReport {
  return counts === undefined ? { registry, status: 'not-walked', error } : { registry, status: 'compared', counts };
}

function exitCodeOfReports(reports: readonly RegistryReport[]): ExitCode {
  if (reports.some(({ status, counts }) => status === 'not-walked' || (counts?.failed ?? 0) > 0)) {
    return exitCodes.failed;
  }
  return reports.some(({ status }) => status === 'late') ? exitCodes.late : exitCodes.ok;
}

function lineOf({ registry, status, counts, error }: RegistryReport): string {
  switch (status) {
    case 'asked':
      return `${registry}: ${paint('waiting', 'asked')}; the next free worker compares it with the rules`;
    case 'compared':
      return `${registry}: ${Object.entries(counts ?? {})
        .map(([name, count]) =>
          name === 'failed' && count > 0 ? paint('bad', `${count} ${name}`) : `${count} ${name}`,
        )
        .join(', ')}`;
    case 'not-walked':
      return `${registry}: ${paint('bad', 'cannot be walked')}: ${withoutControls(error ?? '')}`;
    case 'late':
      return `${registry}: ${paint('bad', 'no run has ended in time')}. Does "autosign work" run, with a rule for this registry?`;
  }
}
