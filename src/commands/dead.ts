import { AutosignError } from '../domain/errors.ts';
import { createAllDeadLetters } from '../queue/all-dead-letters.ts';
import { closeConnection, connectProducer } from '../queue/connection.ts';
import { type DeadLetter, type DeadLetterCode, type DeadLetters, nextStepFor } from '../queue/dead-letters.ts';
import { type Retried, retryAll, retryNamed } from '../queue/retry-dead-letters.ts';
import { createSignQueues } from '../queue/sign-queues.ts';
import { exitCodes } from './exit-codes.ts';
import { openQueues } from './open-queues.ts';
import { readQueueSettings } from './settings.ts';
import { paint, printJson, printLines, withoutControls } from './terminal.ts';

export interface ListOptions {
  readonly json?: true;
  readonly registry?: string;
  readonly code?: DeadLetterCode;
  readonly limit: number;
}

export interface RetryOptions {
  readonly json?: true;
  readonly all?: true;
  readonly registry?: string;
  readonly code?: DeadLetterCode;
}

// One step with Redis; an operator waits longer than a webhook.
const stepTimeoutMs = 5_000;
/** Prints the dead letters, the newest first. */
export async function listDead(options: ListOptions): Promise<void> {
  const { limit, json, ...filter } = options;
  await withDeadLetters(async (dead) => {
    const letters: DeadLetter[] = [];
    let more = false;
    for await (const letter of dead.list(filter)) {
      more = letters.length === limit;
      if (more) break;
      letters.push(letter);
    }
    if (json) return printJson({ deadLetters: letters.map(toJson), more });
    for (const letter of letters) printLines(describe(letter));
    if (letters.length === 0) printLines(['no dead letters']);
    if (more) printLines([`there are more; these are the newest ${limit} (--limit)`]);
  });
}

/** Queues dead letters again and says of each what became of it. */
export async function retryDead(ids: readonly string[], options: RetryOptions): Promise<void> {
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
      if (json !== true) printLines([sentenceOf(result)]);
    }
    if (json) printJson({ retried: results });
    else if (results.length === 0) printLines(['no dead letters']);
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

function describe({ id, job, code, message, failedAt, attempts }: DeadLetter): readonly string[] {
  const image = job === undefined ? 'not a job of this release' : `${job.registry} ${job.repository}:${job.tag}`;
  return [
    withoutControls(`${id}  ${image}`),
    `    ${paint('bad', code)}: ${withoutControls(message)}`,
    `    ${failedAt.toISOString()}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}. ${nextStepFor(code)}`,
  ];
}

function sentenceOf({ id, status, job }: Retried): string {
  const about = withoutControls(id);
  switch (status) {
    case 'queued':
      return `${about}: ${paint('good', 'queued')} again as job ${job}`;
    case 'missing':
      return `${about}: there is ${paint('bad', 'no such')} dead letter`;
    case 'unreadable':
      return `${about}: is ${paint('bad', 'not a job')} of this release and stays; post the event of its image again`;
  }
}
