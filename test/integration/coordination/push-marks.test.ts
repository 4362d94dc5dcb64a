import { expect, test } from 'vitest';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { openStore } from './open-store.ts';

const image = { registry: 'lab', repository: 'prod/app', tag: 'v1' };

test('a push that nobody announced has no mark', async () => {
  expect(await createPushMarks(openStore()).read(image)).toBeUndefined();
});

test('the mark of a job that ended is taken away', async () => {
  const marks = createPushMarks(openStore());
  await marks.mark(image);
  await marks.clear(image, (await marks.read(image)) ?? '');
  expect(await marks.read(image)).toBeUndefined();
});

test('the end of an earlier job does not take away the mark of a newer push', async () => {
  const marks = createPushMarks(openStore());
  await marks.mark(image);
  const older = (await marks.read(image)) ?? '';
  await marks.mark(image);
  const newer = await marks.read(image);
  expect(newer).not.toBe(older);
  await marks.clear(image, older);
  expect(await marks.read(image)).toBe(newer);
});

test('a clear of what was never marked changes nothing', async () => {
  const marks = createPushMarks(openStore());
  await marks.clear(image, 'anything');
  expect(await marks.read(image)).toBeUndefined();
});

test.each([
  { ...image, tag: 'v2' },
  { ...image, repository: 'prod/other' },
  { ...image, registry: 'other' },
])('the mark of one image says nothing about $registry $repository:$tag', async (other) => {
  const marks = createPushMarks(openStore());
  await marks.mark(image);
  expect(await marks.read(other)).toBeUndefined();
});
