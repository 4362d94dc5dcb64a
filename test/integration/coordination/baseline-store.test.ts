import { expect, test } from 'vitest';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { openStore } from './open-store.ts';

const rule = 'a'.repeat(64);
const dayMs = 24 * 3_600_000;
const [first, second] = [digestOf(Buffer.from('first')), digestOf(Buffer.from('second'))];
const imageOf = (tag: string) => ({ registry: 'lab', repository: 'prod/app', tag });

function open() {
  const store = openStore();
  return { ...store, baseline: createBaselineStore(store), marks: createPushMarks(store) };
}

test('holds the digest that stood under the tag, and no other digest, tag, registry or rule', async () => {
  const { baseline } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  expect(await baseline.contains(rule, imageOf('v1'), first)).toBe(true);
  expect(await baseline.contains(rule, imageOf('v1'), second)).toBe(false);
  expect(await baseline.contains(rule, imageOf('v2'), first)).toBe(false);
  expect(await baseline.contains(rule, { ...imageOf('v1'), registry: 'other' }, first)).toBe(false);
  expect(await baseline.contains('b'.repeat(64), imageOf('v1'), first)).toBe(false);
});

test('is complete for one rule and registry only once it is said', async () => {
  const { baseline } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  expect(await baseline.isComplete(rule, 'lab')).toBe(false);
  await baseline.complete(rule, 'lab');
  expect(await baseline.isComplete(rule, 'lab')).toBe(true);
  expect(await baseline.isComplete(rule, 'other')).toBe(false);
  expect(await baseline.isComplete('b'.repeat(64), 'lab')).toBe(false);
});

test('an empty one can be complete', async () => {
  const { baseline } = open();
  await baseline.complete(rule, 'lab');
  expect(await baseline.isComplete(rule, 'lab')).toBe(true);
  expect(await Array.fromAsync(baseline.entries(rule, 'lab'))).toEqual([]);
});

test('leaves out tags whose push was announced before it was complete, in this registry only', async () => {
  const { baseline, marks } = open();
  for (const tag of ['v1', 'v2']) await baseline.enter(rule, imageOf(tag), first);
  await marks.mark(imageOf('v1'));
  await marks.mark({ ...imageOf('v2'), registry: 'other' });
  await baseline.complete(rule, 'lab');
  expect(await baseline.contains(rule, imageOf('v1'), first)).toBe(false);
  expect(await baseline.contains(rule, imageOf('v2'), first)).toBe(true);
  expect(await marks.read(imageOf('v1'))).toBeDefined();
});

test('counts a mark of less than seven days, and drops an older one', async () => {
  const { redis, prefix, baseline, marks } = open();
  for (const tag of ['young', 'old', 'garbled']) await baseline.enter(rule, imageOf(tag), first);
  const age = async (tag: string, value: string) => redis.hset(`${prefix}:pushed:lab`, `prod/app:${tag}`, value);
  await age('young', `${Date.now() - 6.9 * dayMs}-x`.replace(/\.\d+/, ''));
  await age('old', `${Math.round(Date.now() - 7.1 * dayMs)}-x`);
  await age('garbled', 'no time at all');
  await baseline.complete(rule, 'lab');
  expect(await baseline.contains(rule, imageOf('young'), first)).toBe(false);
  expect(await baseline.contains(rule, imageOf('old'), first)).toBe(true);
  expect(await baseline.contains(rule, imageOf('garbled'), first)).toBe(true);
  expect(await marks.read(imageOf('young'))).toBeDefined();
  expect(await marks.read(imageOf('old'))).toBeUndefined();
  expect(await marks.read(imageOf('garbled'))).toBeUndefined();
});

test('a slower second walk enters nothing once it is complete', async () => {
  const { baseline } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  await baseline.complete(rule, 'lab');
  await baseline.enter(rule, imageOf('v1'), second);
  await baseline.enter(rule, imageOf('v2'), second);
  expect(await baseline.contains(rule, imageOf('v1'), first)).toBe(true);
  expect(await baseline.contains(rule, imageOf('v1'), second)).toBe(false);
  expect(await baseline.contains(rule, imageOf('v2'), second)).toBe(false);
});

test('a slower second walk takes nothing out either, so what stood stays unsigned when it is pushed again', async () => {
  const { baseline, marks } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  await baseline.complete(rule, 'lab');
  await marks.mark(imageOf('v1'));
  await baseline.complete(rule, 'lab');
  expect(await baseline.contains(rule, imageOf('v1'), first)).toBe(true);
});

test('a push that is announced before the completion is seen by it, however close they are', async () => {
  const { prefix, baseline, marks } = open();
  const walker = createBaselineStore({ redis: openStore().redis, prefix });
  const tags = Array.from({ length: 60 }, (_, number) => `v${number}`);
  for (const tag of tags) await baseline.enter(rule, imageOf(tag), first);
  let completed = Promise.resolve();
  const announcedBefore: string[] = [];
  for (const [number, tag] of tags.entries()) {
    if (number === 20) completed = walker.complete(rule, 'lab');
    await marks.mark(imageOf(tag));
    if (!(await baseline.isComplete(rule, 'lab'))) announcedBefore.push(tag);
  }
  await completed;
  expect(announcedBefore.length).toBeGreaterThanOrEqual(20);
  for (const tag of announcedBefore) expect(await baseline.contains(rule, imageOf(tag), first)).toBe(false);
});

test('lists every image of a long baseline', async () => {
  const { baseline } = open();
  const names = Array.from({ length: 1_500 }, (_, number) => `v${number}`);
  await Promise.all(names.map((tag) => baseline.enter(rule, imageOf(tag), first)));
  await baseline.complete(rule, 'lab');
  const entries = new Map(await Array.fromAsync(baseline.entries(rule, 'lab')));
  expect(entries.size).toBe(1_500);
  expect(new Set(entries.values())).toEqual(new Set([first]));
  expect(entries.has('prod/app:v1499')).toBe(true);
});
