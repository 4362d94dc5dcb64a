import type { QueuePlace } from './queue-set.ts';

// Every queue numbers its jobs from 1 on, so the queue is part of what the outside sees: `7-1042`. The first queue's
// number is left out, as it was when there was only one.
const pattern = /^(\d{1,2})-(.+)$/s;

/** The id of a job among the jobs of all queues. */
export function jobIdOf({ index }: Pick<QueuePlace, 'index'>, id: string): string {
  return index === 0 && !pattern.test(id) ? id : `${index}-${id}`;
}

/** The queue's number, and the id within it. */
export function parseJobId(text: string): { readonly index: number; readonly id: string } {
  const [, index, id] = pattern.exec(text) ?? [];
  return index === undefined || id === undefined ? { index: 0, id: text } : { index: Number(index), id };
}
