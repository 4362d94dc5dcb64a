import type { DeadLetter, DeadLetterFilter, DeadLetters, SendableDeadLetter } from './dead-letters.ts';

/** What became of one that was to be tried again. */
export interface Retried {
  readonly id: string;
  readonly status: 'queued' | 'missing' | 'unreadable';
  /** The id of the job that does the work, when it was queued. */
  readonly job?: string;
}

/** Called before a dead letter is sent again; when it throws, nothing is sent. */
export type BeforeRetry = (letter: SendableDeadLetter) => Promise<void>;

/**
 * Queues those of these ids again, with the live pushes.
 * @throws AutosignError `redis-unreachable`; what was not given as queued is still there
 */
export async function* retryNamed(
  dead: Pick<DeadLetters, 'get' | 'sendAgain'>,
  ids: Iterable<string>,
  before?: BeforeRetry,
): AsyncGenerator<Retried> {
  for (const id of new Set(ids)) {
    const letter = await dead.get(id);
    yield letter === undefined ? { id, status: 'missing' } : await retryOne(dead, letter, { lane: 'push', before });
  }
}

/** Queues all that the filter chooses again, behind the live pushes, so that no push waits. Throws as `retryNamed` does. */
export async function* retryAll(
  dead: Pick<DeadLetters, 'list' | 'sendAgain'>,
  filter: DeadLetterFilter,
  before?: BeforeRetry,
): AsyncGenerator<Retried> {
  for await (const letter of dead.list(filter)) yield await retryOne(dead, letter, { lane: 'backfill', before });
}

async function retryOne(
  dead: Pick<DeadLetters, 'sendAgain'>,
  letter: DeadLetter,
  { lane, before }: { readonly lane: 'push' | 'backfill'; readonly before: BeforeRetry | undefined },
): Promise<Retried> {
  if (!isSendable(letter)) return { id: letter.id, status: 'unreadable' };
  await before?.(letter);
  return { id: letter.id, status: 'queued', job: await dead.sendAgain(letter, lane) };
}

function isSendable(letter: DeadLetter): letter is SendableDeadLetter {
  return letter.job !== undefined;
}
