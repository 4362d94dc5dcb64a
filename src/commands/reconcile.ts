import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import {
  createReconcileSchedule,
  type ReconcileRun,
  type ReconcileSchedule,
  type RedisTime,
} from '../coordination/reconcile-schedule.ts';
import { AutosignError } from '../domain/errors.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { durationMs, durationPattern } from '../rules/duration.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { registriesToWalk } from './reconcile-loop.ts';
import { readRedisUrl } from './settings.ts';

interface ReconcileCommandOptions {
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

const help = `
AUTOSIGN_REDIS_URL must be set; the rules file is read for the names of registries only. A running "autosign work" does
it: it looks at every tag that a rule in state sign selects, and queues those that lack a signature behind live pushes.
It does so by itself at its start, every AUTOSIGN_RECONCILE_INTERVAL, and after Redis was away.

With --wait the counts are printed: tags looked at, queued, existing (older than their rule, left as they are), waiting
(key paused or rule preparing), failed (could not be looked at; the log of the worker names them).

Examples:
  $ autosign reconcile --rules rules.yaml
  $ autosign reconcile --rules rules.yaml --registry prod --wait
  $ autosign reconcile --rules rules.yaml --wait --json | jq '.registries[].counts.queued'

Exit codes:
  0 asked; with --wait: compared, and every tag could be looked at
  1 with --wait: a registry could not be walked, or a tag could not be looked at
  2 usage, settings or rules  7 with --wait: no worker has ended a run within --timeout  8 Redis unreachable`;

/** `autosign reconcile` */
export function reconcileCommand(): Command {
  return new Command('reconcile')
    .description('ask the workers to look for images that lack a signature, now')
    .addOption(new Option('--rules <file>', 'the rules file').env('AUTOSIGN_RULES').makeOptionMandatory())
    .option('--registry <name>', 'this registry only')
    .option('--wait', 'wait until a run that began after the request has ended, and print what it found')
    .addOption(
      new Option('--timeout <duration>', 'how long to wait at most')
        .argParser(parseDuration)
        .default(durationMs('1h'), '1h'),
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', help)
    .action(async (options: ReconcileCommandOptions) => {
      const redisUrl = readRedisUrl(process.env);
      const names = chooseRegistries(await loadRuleSet(resolve(options.rules)), options.registry);
      const reports = await askFor(names, redisUrl, options);
      process.stdout.write(
        options.json ? `${JSON.stringify({ registries: reports })}\n` : reports.map(lineOf).join(''),
      );
      process.exitCode = exitCodeOfReports(reports);
    });
}

function parseDuration(text: string): number {
  if (durationPattern.test(text)) return durationMs(text);
  throw new AutosignError('usage', `--timeout: expected a duration, written like 30s, 15m or 1h.`);
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
      return `${registry}: asked; the next free worker compares it with the rules\n`;
    case 'compared':
      return `${registry}: ${Object.entries(counts ?? {})
        .map(([name, count]) => `${count} ${name}`)
        .join(', ')}\n`;
    case 'not-walked':
      return `${registry}: cannot be walked: ${error}\n`;
    case 'late':
      return `${registry}: no run has ended in time. Does "autosign work" run, with a rule for this registry?\n`;
  }
}
