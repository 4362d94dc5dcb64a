import { expect, test } from 'vitest';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { openStore } from './open-store.ts';

const stranger = { value: 'anything', rulesHash: '' };
const image = { registry: 'lab', repository: 'prod/app', tag: 'v1' };

test('a push that nobody announced has no mark', async () => {
  expect(await createPushMarks(openStore()).read(image)).toBeUndefined();
});

test('a mark names the rules by which the push was taken', async () => {
  const marks = createPushMarks(openStore());
  await marks.mark(image, 'a1b2');
  expect(await marks.read(image)).toMatchObject({ rulesHash: 'a1b2' });
});

test('the mark of a job that ended is taken away', async () => {
  const marks = createPushMarks(openStore());
  await marks.mark(image, 'rules');
  await marks.clear(image, (await marks.read(image)) ?? stranger);
  expect(await marks.read(image)).toBeUndefined();
});

test('the end of an earlier job does not take away the mark of a newer push', async () => {
  const marks = createPushMarks(openStore());
  await marks.mark(image, 'rules');
  const older = (await marks.read(image)) ?? stranger;
  await marks.mark(image, 'rules');
  const newer = await marks.read(image);
  expect(newer).not.toEqual(older);
  await marks.clear(image, older);
  expect(await marks.read(image)).toEqual(newer);
});

test('a clear of what was never marked changes nothing', async () => {
  const marks = createPushMarks(openStore());
  await marks.clear(image, stranger);
  expect(await marks.read(image)).toBeUndefined();
});

test.each([
  { ...image, tag: 'v2' },
  { ...image, repository: 'prod/other' },
  { ...image, registry: 'other' },
])('the mark of one image says nothing about $registry $repository:$tag', async (other) => {
  const marks = createPushMarks(openStore());
  await marks.mark(image, 'rules');
  expect(await marks.read(other)).toBeUndefined();
});
