import { AutosignError } from '../domain/errors.ts';
import { closeConnection, connectProducer } from '../queue/connection.ts';
import {
  createDeadLetters,
  type DeadLetter,
  type DeadLetterCode,
  type DeadLetters,
  type SendableDeadLetter,
} from '../queue/dead-letters.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createSignQueue } from '../queue/sign-queue.ts';
import { nextStepForDeadLetter } from './dead-letter-advice.ts';
import { exitCodes } from './exit-codes.ts';
import { readRedisUrl } from './settings.ts';
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

/** What became of one that was to be tried again. */
interface Retried {
  readonly id: string;
  readonly status: 'queued' | 'missing' | 'unreadable';
  /** The id of the job that does the work, when it was queued. */
  readonly job?: string;
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

async function* retryNamed(dead: DeadLetters, ids: readonly string[]): AsyncGenerator<Retried> {
  for (const id of new Set(ids)) {
    const letter = await dead.get(id);
    yield letter === undefined ? { id, status: 'missing' } : await retryOne(dead, letter, 'push');
  }
}

async function* retryAll(dead: DeadLetters, filter: Pick<RetryOptions, 'registry' | 'code'>): AsyncGenerator<Retried> {
  for await (const letter of dead.list(filter)) yield await retryOne(dead, letter, 'backfill');
}

async function retryOne(dead: DeadLetters, letter: DeadLetter, lane: 'push' | 'backfill'): Promise<Retried> {
  if (!isSendable(letter)) return { id: letter.id, status: 'unreadable' };
  return { id: letter.id, status: 'queued', job: await dead.sendAgain(letter, lane) };
}

function isSendable(letter: DeadLetter): letter is SendableDeadLetter {
  return letter.job !== undefined;
}

async function withDeadLetters(use: (dead: DeadLetters) => Promise<void>): Promise<void> {
  const redisUrl = readRedisUrl(process.env);
  // What is wrong is said by the step that fails.
  const redis = connectProducer({ redisUrl, onError: () => undefined });
  const shared = { redis, prefix: signQueuePrefix, timeoutMs: stepTimeoutMs };
  const queue = createSignQueue(shared);
  const dead = createDeadLetters({ ...shared, queue, now: () => new Date() });
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
  return { ...letter, ...image, failedAt: failedAt.toISOString(), nextStep: nextStepForDeadLetter(letter.code) };
}

function describe({ id, job, code, message, failedAt, attempts }: DeadLetter): readonly string[] {
  const image = job === undefined ? 'not a job of this release' : `${job.registry} ${job.repository}:${job.tag}`;
  return [
    withoutControls(`${id}  ${image}`),
    `    ${paint('bad', code)}: ${withoutControls(message)}`,
    `    ${failedAt.toISOString()}, ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}. ${nextStepForDeadLetter(code)}`,
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
