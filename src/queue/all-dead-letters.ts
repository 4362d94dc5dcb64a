import { createDeadLetters, type DeadLetter, type DeadLetters, type DeadLettersOptions } from './dead-letters.ts';
import { jobIdOf, parseJobId } from './job-id.ts';
import { queuesMax } from './job-options.ts';
import { perQueue } from './per-queue.ts';
import type { QueuePlace, QueueSet } from './queue-set.ts';

export type AllDeadLettersOptions = Omit<DeadLettersOptions, 'prefix'> & { readonly queues: QueueSet };

/** The dead letters of all queues as one list; the id of each begins with its queue's number. */
export function createAllDeadLetters({ queues, ...options }: AllDeadLettersOptions): DeadLetters {
  const opened = perQueue((prefix) => createDeadLetters({ ...options, prefix }));

  /** Where `text` points to, in the terms of its queue; undefined when there is no such queue. */
  function find(text: string): { readonly place: QueuePlace; readonly id: string } | undefined {
    const { index, id } = parseJobId(text);
    return index < queuesMax ? { place: queues.at(index), id } : undefined;
  }

  return {
    async *list(filter) {
      const places = await queues.inUse();
      yield* newestFirst(places.map((place) => named(place, opened.at(place).list(filter))));
    },
    get: async (text) => {
      const found = find(text);
      const letter = found && (await opened.at(found.place).get(found.id));
      return letter && { ...letter, id: text };
    },
    sendAgain: async (letter, lane) => {
      const found = find(letter.id);
      if (found === undefined) throw new Error('a dead letter of no queue');
      return opened.at(found.place).sendAgain({ ...letter, id: found.id }, lane);
    },
    remove: async (text) => {
      const found = find(text);
      if (found !== undefined) await opened.at(found.place).remove(found.id);
    },
    close: opened.close,
  };
}

async function* named(place: QueuePlace, letters: AsyncIterable<DeadLetter>): AsyncGenerator<DeadLetter> {
  for await (const letter of letters) yield { ...letter, id: jobIdOf(place, letter.id) };
}

/** Merges lists that each begin with the newest. */
async function* newestFirst(lists: readonly AsyncGenerator<DeadLetter>[]): AsyncGenerator<DeadLetter> {
  const heads = await Promise.all(lists.map(async (list) => ({ list, head: await list.next() })));
  for (;;) {
    const open = heads.filter(({ head }) => head.done !== true);
    const [first] = open.toSorted((a, b) => b.head.value.failedAt.getTime() - a.head.value.failedAt.getTime());
    if (first === undefined) return;
    yield first.head.value;
    first.head = await first.list.next();
  }
}
