import { expect, onTestFinished, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { createDeadLetters } from '../../../src/queue/dead-letters.ts';
import { readDeadLettersByImage } from '../../../src/queue/dead-letters-by-image.ts';
import { openQueue, pushOf } from '../worker/open-queue.ts';

/** A queue in which these images have failed for good, in this order. */
async function open(...failed: readonly { readonly tag: string; readonly registry?: string }[]) {
  const { queue, prefix, redisUrl, startWorker, until } = openQueue();
  const redis = connectStore({ redisUrl, onError: () => undefined });
  const letters = createDeadLetters({ redis, prefix, timeoutMs: 5_000, queue, now: () => new Date() });
  onTestFinished(async () => {
    await letters.close();
    await closeConnection(redis);
  });
  startWorker(async () => ({ next: 'give-up', error: new AutosignError('registry-denied', 'not yours') }));
  const ids: string[] = [];
  for (const { tag, registry = 'lab' } of failed) {
    ids.push((await queue.add({ ...pushOf(tag), registry })).id);
    await until('failed', ids.length);
  }
  const left = async () => (await Array.fromAsync(letters.list())).map(({ id }) => id).sort();
  return { byImage: await readDeadLettersByImage(letters, 'lab'), ids, left };
}

const imageOf = (tag: string) => ({ repository: 'prod/app', tag });

test('an image that lacks nothing has no dead letter any more; others keep theirs', async () => {
  const { byImage, ids, left } = await open(
    { tag: 'v1' },
    { tag: 'v2' },
    { tag: 'v1' },
    { tag: 'v1', registry: 'far' },
  );
  await byImage.takeAway(imageOf('v1'));
  expect(await left()).toEqual([ids[1], ids[3]]);
  await byImage.takeAway(imageOf('v1'));
  await byImage.takeAway(imageOf('never failed'));
  expect(await left()).toHaveLength(2);
});

test('an image that is queued anew keeps the newest one', async () => {
  const { byImage, ids, left } = await open({ tag: 'v1' }, { tag: 'v2' }, { tag: 'v1' }, { tag: 'v1' });
  await byImage.keepNewest(imageOf('v1'));
  expect(await left()).toEqual([ids[1], ids[3]]);
  await byImage.keepNewest(imageOf('v2'));
  expect(await left()).toEqual([ids[1], ids[3]]);
});
