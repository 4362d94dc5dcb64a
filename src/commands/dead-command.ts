import { Command, Option } from 'commander';
import { AutosignError, failureTable, isErrorCode } from '../domain/errors.ts';
import type { DeadLetterCode } from '../queue/dead-letters.ts';
import { jsonOption } from './command-options.ts';
import type { ListOptions, RetryOptions } from './dead.ts';

const listedDefault = 100;
const listedMost = 100_000;

const needs = `
Only AUTOSIGN_REDIS_URL is needed, and AUTOSIGN_QUEUES where it is set; no rules, no credential.`;

const listHelp = `${needs} Newest first.

Examples:
  $ autosign dead list
  $ autosign dead list --registry prod --code registry-denied --limit 10
  $ autosign dead list --json | jq -r '.deadLetters[].id'

Exit codes:
  0 ok, also when there is none  2 usage or settings  8 Redis unreachable`;

const retryHelp = `${needs}
The image is looked at anew: what its tag points at then is signed, if rules want it. One named by ID goes with the
live pushes; --all goes behind them, so that no push waits.
A dead letter is taken away once Redis has the new job.

Examples:
  $ autosign dead retry 1042 1043
  $ autosign dead retry --all --registry prod --code registry-denied

Exit codes:
  0 all of them are queued again  1 one or more could not be (each is named)  2 usage or settings
  8 Redis unreachable; what is not printed as queued is still there`;

/** `autosign dead …` */
export function deadCommand(): Command {
  const command = new Command('dead').description('list what failed for good, and try it again');
  command
    .command('list')
    .description('list the dead letters: image, cause, and what to do')
    .addOption(registryOption())
    .addOption(codeOption())
    .addOption(new Option('--limit <n>', 'list this many at most').argParser(limitOf).default(listedDefault))
    .addOption(jsonOption())
    .addHelpText('after', listHelp)
    .action(async (options: ListOptions) => (await import('./dead.ts')).listDead(options));
  command
    .command('retry')
    .description('queue dead letters again')
    .argument('[ids...]', 'ids that "dead list" shows')
    .option('--all', 'all, or all that --registry and --code choose')
    .addOption(registryOption())
    .addOption(codeOption())
    .addOption(jsonOption())
    .addHelpText('after', retryHelp)
    .action(async (ids: readonly string[], options: RetryOptions) =>
      (await import('./dead.ts')).retryDead(ids, options),
    );
  return command;
}

function registryOption(): Option {
  return new Option('--registry <name>', 'only those of this registry');
}

function codeOption(): Option {
  const choices = [...Object.keys(failureTable), 'unexpected'].join(', ');
  return new Option('--code <code>', 'only those with this cause').argParser((text): DeadLetterCode => {
    if (isErrorCode(text) || text === 'unexpected') return text;
    throw new AutosignError('usage', `--code "${text}": expected one of ${choices}.`);
  });
}

function limitOf(text: string): number {
  const limit = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= listedMost) return limit;
  throw new AutosignError('usage', `--limit "${text}": a whole number from 1 to ${listedMost} is expected.`);
}
