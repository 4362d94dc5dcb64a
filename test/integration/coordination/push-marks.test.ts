import { expect, test } from 'vitest';
import { createPushMarks, isDealtWith } from '../../../src/coordination/push-marks.ts';
import { openStore } from './open-store.ts';

const stranger = { value: 'anything', markedAt: new Date(0), rulesHash: '' };
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

test('a push is dealt with by who has the rules of its receiver, and after an hour by everybody', () => {
  const mark = { value: '', markedAt: new Date(0), rulesHash: 'receiver' };
  expect(isDealtWith(mark, 'receiver', new Date(0))).toBe(true);
  expect(isDealtWith(mark, 'worker', new Date(3_600_000))).toBe(false);
  expect(isDealtWith(mark, 'worker', new Date(3_600_001))).toBe(true);
});
