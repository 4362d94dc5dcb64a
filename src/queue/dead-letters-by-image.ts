import type { DeadLetters } from './dead-letters.ts';

interface Image {
  readonly repository: string;
  readonly tag: string;
}

/** The dead letters of one registry at one moment, by the image they are about. */
export interface DeadLettersByImage {
  /** The image is queued anew: one dead letter goes on telling what went wrong, however often it does. */
  keepNewest(image: Image): Promise<void>;
  /** The image lacks nothing any more: whatever went wrong is handled. */
  takeAway(image: Image): Promise<void>;
}

/**
 * Reads them all, so that each image can be looked up; one that fails later is not among them and stays.
 * @throws AutosignError `redis-unreachable`, as both operations do
 */
export async function readDeadLettersByImage(
  deadLetters: Pick<DeadLetters, 'list' | 'remove'>,
  registry: string,
): Promise<DeadLettersByImage> {
  const keyOf = ({ repository, tag }: Image) => `${repository}:${tag}`;
  /** The newest first. */
  const idsOf = new Map<string, string[]>();
  for await (const { id, job } of deadLetters.list({ registry })) {
    if (job !== undefined) idsOf.set(keyOf(job), [...(idsOf.get(keyOf(job)) ?? []), id]);
  }
  const remove = async (ids: readonly string[]) => {
    for (const id of ids) await deadLetters.remove(id);
  };
  return {
    keepNewest: (image) => remove(idsOf.get(keyOf(image))?.slice(1) ?? []),
    takeAway: (image) => remove(idsOf.get(keyOf(image)) ?? []),
  };
}
