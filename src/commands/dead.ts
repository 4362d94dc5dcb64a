import { Command, Option } from 'commander';
import { AutosignError, failureTable, isErrorCode } from '../domain/errors.ts';
import { createAllDeadLetters } from '../queue/all-dead-letters.ts';
import { closeConnection, connectProducer } from '../queue/connection.ts';
import { type DeadLetter, type DeadLetterCode, type DeadLetters, nextStepFor } from '../queue/dead-letters.ts';
import { type Retried, retryAll, retryNamed } from '../queue/retry-dead-letters.ts';
import { createSignQueues } from '../queue/sign-queues.ts';
import { exitCodes } from './exit-codes.ts';
import { openQueues } from './open-queues.ts';
import { printable } from './printable.ts';
import { readQueueSettings } from './settings.ts';

interface ListOptions {
  readonly json?: true;
  readonly registry?: string;
  readonly code?: DeadLetterCode;
  readonly limit: number;
}

interface RetryOptions {
  readonly json?: true;
  readonly all?: true;
  readonly registry?: string;
  readonly code?: DeadLetterCode;
}

// One step with Redis; an operator waits longer than a webhook.
const stepTimeoutMs = 5_000;
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

const retryHelp = `${needs} The image is looked at anew: what its tag points at then is
signed, if rules want it. One named by ID goes with the live pushes; --all goes behind them, so that no push waits.
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
    .option('--json', 'print one JSON object')
    .addHelpText('after', listHelp)
    .action(listDead);
  command
    .command('retry')
    .description('queue dead letters again')
    .argument('[ids...]', 'ids that "dead list" shows')
    .option('--all', 'all, or all that --registry and --code choose')
    .addOption(registryOption())
    .addOption(codeOption())
    .option('--json', 'print one JSON object')
    .addHelpText('after', retryHelp)
    .action(retryDead);
  return command;
}

async function listDead(options: ListOptions): Promise<void> {
  const { limit, json, ...filter } = options;
  await withDeadLetters(async (dead) => {
    const letters: DeadLetter[] = [];
    let more = false;
    for await (const letter of dead.list(filter)) {
      more = letters.length === limit;
      if (more) break;
      letters.push(letter);
    }
    if (json) return print(JSON.stringify({ deadLetters: letters.map(toJson), more }));
    for (const letter of letters) print(describe(letter));
    if (letters.length === 0) print('no dead letters');
    if (more) print(`there are more; these are the newest ${limit} (--limit)`);
  });
}

async function retryDead(ids: readonly string[], options: RetryOptions): Promise<void> {
  const { all, json, ...filter } = options;
  if (ids.length > 0 === (all === true)) throw new AutosignError('usage', 'Name ids of dead letters, or write --all.');
  if (all !== true && Object.keys(filter).length > 0) {
    throw new AutosignError('usage', '--registry and --code choose among --all; with ids leave them out.');
  }
  await withDeadLetters(async (dead) => {
    const results: Retried[] = [];
    for await (const result of all === true ? retryAll(dead, filter) : retryNamed(dead, ids)) {
      results.push(result);
      // At once, so that an end in the middle leaves no doubt about what was done.
      if (json !== true) print(sentenceOf(result));
    }
    if (json) print(JSON.stringify({ retried: results }));
    else if (results.length === 0) print('no dead letters');
    if (results.some(({ status }) => status !== 'queued')) process.exitCode = exitCodes.failed;
  });
}

async function withDeadLetters(use: (dead: DeadLetters) => Promise<void>): Promise<void> {
  const { redisUrl, ...settings } = readQueueSettings(process.env);
  // What is wrong is said by the step that fails.
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const shared = { redis, queues: openQueues(redis, settings), timeoutMs: stepTimeoutMs };
  const queue = createSignQueues(shared);
  const dead = createAllDeadLetters({ ...shared, queue, now: () => new Date() });
  try {
    await use(dead);
  } finally {
    await dead.close();
    await queue.close();
    await closeConnection(redis);
  }
}

function toJson({ job, failedAt, ...letter }: DeadLetter) {
  const image = job === undefined ? {} : { registry: job.registry, repository: job.repository, tag: job.tag };
  return { ...letter, ...image, failedAt: failedAt.toISOString(), nextStep: nextStepFor(letter.code) };
}

function describe({ id, job, code, message, failedAt, attempts }: DeadLetter): string {
  const image = job === undefined ? 'not a job of this release' : `${job.registry} ${job.repository}:${job.tag}`;
  return `${id}  ${image}
    ${code}: ${message}
    ${failedAt.toISOString()}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}. ${nextStepFor(code)}`;
}

function sentenceOf({ id, status, job }: Retried): string {
  switch (status) {
    case 'queued':
      return `${id}: queued again as job ${job}`;
    case 'missing':
      return `${id}: there is no such dead letter`;
    case 'unreadable':
      return `${id}: is not a job of this release and stays; post the event of its image again`;
  }
}

function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
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
