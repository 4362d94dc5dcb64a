import { Command, Option } from 'commander';
import { AutosignError } from '../domain/errors.ts';
import { durationMs, durationPattern } from '../rules/duration.ts';
import { jsonOption, rulesOption } from './command-options.ts';
import type { ReconcileCommandOptions } from './reconcile.ts';

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
    .addOption(rulesOption())
    .option('--registry <name>', 'this registry only')
    .option('--wait', 'wait until a run that began after the request has ended, and print what it found')
    .addOption(
      new Option('--timeout <duration>', 'how long to wait at most')
        .argParser(parseDuration)
        .default(durationMs('1h'), '1h'),
    )
    .addOption(jsonOption())
    .addHelpText('after', help)
    .action(async (options: ReconcileCommandOptions) => (await import('./reconcile.ts')).runReconcile(options));
}

function parseDuration(text: string): number {
  if (durationPattern.test(text)) return durationMs(text);
  throw new AutosignError('usage', `--timeout: expected a duration, written like 30s, 15m or 1h.`);
}
