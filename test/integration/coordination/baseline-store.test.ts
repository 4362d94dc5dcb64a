import { describe, expect, test } from 'vitest';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import type { BaselineStore } from '../../../src/ports/baseline.ts';
import { openStore } from './open-store.ts';

const rule = 'a'.repeat(64);
const dayMs = 24 * 3_600_000;
const [first, second] = [digestOf(Buffer.from('first')), digestOf(Buffer.from('second'))];
const imageOf = (tag: string) => ({ registry: 'lab', repository: 'prod/app', tag });

/** Ends a walk over the registry `lab` for the rule, as the one who walked does. */
async function complete(baseline: BaselineStore, walk?: string): Promise<boolean> {
  return baseline.complete(rule, 'lab', walk ?? (await baseline.begin(rule, 'lab')));
}

function open() {
  const store = openStore();
  return { ...store, baseline: createBaselineStore(store), marks: createPushMarks(store) };
}

test('holds the digest that stood under the tag, and no other digest, tag, registry or rule', async () => {
  const { baseline } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('preparing');
  await complete(baseline);
  expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('existing');
  expect(await baseline.standing(rule, imageOf('v1'), second)).toBe('new');
  expect(await baseline.standing(rule, imageOf('v2'), first)).toBe('new');
  for (const [otherRule, registry] of [
    [rule, 'other'],
    ['b'.repeat(64), 'lab'],
  ] as const) {
    await baseline.complete(otherRule, registry, await baseline.begin(otherRule, registry));
    expect(await baseline.standing(otherRule, { ...imageOf('v1'), registry }, first)).toBe('new');
  }
});

test('is complete for one rule and registry only once it is said', async () => {
  const { baseline } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  expect(await baseline.isComplete(rule, 'lab')).toBe(false);
  await complete(baseline);
  expect(await baseline.isComplete(rule, 'lab')).toBe(true);
  expect(await baseline.isComplete(rule, 'other')).toBe(false);
  expect(await baseline.isComplete('b'.repeat(64), 'lab')).toBe(false);
});

test('an empty one can be complete', async () => {
  const { baseline } = open();
  await complete(baseline);
  expect(await baseline.isComplete(rule, 'lab')).toBe(true);
  expect(await Array.fromAsync(baseline.entries(rule, 'lab'))).toEqual([]);
});

test('leaves out tags whose push was announced before it was complete, in this registry only', async () => {
  const { baseline, marks } = open();
  for (const tag of ['v1', 'v2']) await baseline.enter(rule, imageOf(tag), first);
  await marks.mark(imageOf('v1'), 'rules');
  await marks.mark({ ...imageOf('v2'), registry: 'other' }, 'rules');
  await complete(baseline);
  expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('new');
  expect(await baseline.standing(rule, imageOf('v2'), first)).toBe('existing');
  expect(await marks.read(imageOf('v1'))).toBeDefined();
});

test('counts a mark of less than ninety days, and drops an older one', async () => {
  const { redis, prefix, baseline, marks } = open();
  for (const tag of ['young', 'old', 'garbled']) await baseline.enter(rule, imageOf(tag), first);
  const age = async (tag: string, value: string) => redis.hset(`${prefix}:pushed:lab`, `prod/app:${tag}`, value);
  await age('young', `${Date.now() - 89 * dayMs}-x`);
  await age('old', `${Math.round(Date.now() - 91 * dayMs)}-x`);
  await age('garbled', 'no time at all');
  await complete(baseline);
  expect(await baseline.standing(rule, imageOf('young'), first)).toBe('new');
  expect(await baseline.standing(rule, imageOf('old'), first)).toBe('existing');
  expect(await baseline.standing(rule, imageOf('garbled'), first)).toBe('existing');
  expect(await marks.read(imageOf('young'))).toBeDefined();
  expect(await marks.read(imageOf('old'))).toBeUndefined();
  expect(await marks.read(imageOf('garbled'))).toBeUndefined();
});

test('a slower second walk enters nothing once it is complete', async () => {
  const { baseline } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  await complete(baseline);
  await baseline.enter(rule, imageOf('v1'), second);
  await baseline.enter(rule, imageOf('v2'), second);
  expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('existing');
  expect(await baseline.standing(rule, imageOf('v1'), second)).toBe('new');
  expect(await baseline.standing(rule, imageOf('v2'), second)).toBe('new');
});

test('a slower second walk takes nothing out either, so what stood stays unsigned when it is pushed again', async () => {
  const { baseline, marks } = open();
  await baseline.enter(rule, imageOf('v1'), first);
  await complete(baseline);
  await marks.mark(imageOf('v1'), 'rules');
  await complete(baseline);
  expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('existing');
});

test('a push that is announced before the completion is seen by it, however close they are', async () => {
  const { prefix, baseline, marks } = open();
  const walker = createBaselineStore({ redis: openStore().redis, prefix });
  const tags = Array.from({ length: 60 }, (_, number) => `v${number}`);
  for (const tag of tags) await baseline.enter(rule, imageOf(tag), first);
  let completed: Promise<unknown> = Promise.resolve();
  const announcedBefore: string[] = [];
  for (const [number, tag] of tags.entries()) {
    if (number === 20) completed = complete(walker);
    await marks.mark(imageOf(tag), 'rules');
    if (!(await baseline.isComplete(rule, 'lab'))) announcedBefore.push(tag);
  }
  await completed;
  expect(announcedBefore.length).toBeGreaterThanOrEqual(20);
  for (const tag of announcedBefore) expect(await baseline.standing(rule, imageOf(tag), first)).toBe('new');
});

describe('an image that an operator wants signed', () => {
  test('counts as new for this rule, registry, tag and digest, and for no other', async () => {
    const { baseline } = open();
    const other = 'b'.repeat(64);
    for (const identity of [rule, other]) {
      for (const tag of ['v1', 'v2']) await baseline.enter(identity, imageOf(tag), first);
      await baseline.complete(identity, 'lab', await baseline.begin(identity, 'lab'));
    }
    expect(await baseline.admit(rule, imageOf('v1'), first)).toBe(true);
    expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('new');
    expect(await baseline.standing(rule, imageOf('v2'), first)).toBe('existing');
    expect(await baseline.standing(other, imageOf('v1'), first)).toBe('existing');
    expect(await baseline.admit(rule, imageOf('v1'), first)).toBe(true);
  });

  test('stays out when a slower walk finds it again', async () => {
    const { baseline } = open();
    await baseline.enter(rule, imageOf('v1'), first);
    await complete(baseline);
    await baseline.admit(rule, imageOf('v1'), first);
    await baseline.enter(rule, imageOf('v1'), first);
    await complete(baseline);
    expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('new');
  });

  test('does not take out what stood under its tag by another digest', async () => {
    const { baseline } = open();
    await baseline.enter(rule, imageOf('v1'), first);
    await complete(baseline);
    expect(await baseline.admit(rule, imageOf('v1'), second)).toBe(true);
    expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('existing');
  });

  test('is not taken out of a baseline that is not complete, as the walk would enter it again', async () => {
    const { baseline } = open();
    await baseline.enter(rule, imageOf('v1'), first);
    expect(await baseline.admit(rule, imageOf('v1'), first)).toBe(false);
    await complete(baseline);
    expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('existing');
  });
});

test('lists every image of a long baseline', async () => {
  const { baseline } = open();
  const names = Array.from({ length: 1_500 }, (_, number) => `v${number}`);
  await Promise.all(names.map((tag) => baseline.enter(rule, imageOf(tag), first)));
  await complete(baseline);
  const entries = new Map(await Array.fromAsync(baseline.entries(rule, 'lab')));
  expect(entries.size).toBe(1_500);
  expect(new Set(entries.values())).toEqual(new Set([first]));
  expect(entries.has('prod/app:v1499')).toBe(true);
});

test('a walk whose first entries are lost with the data of Redis completes nothing', async () => {
  const { redis, prefix, baseline } = open();
  const walk = await baseline.begin(rule, 'lab');
  await baseline.enter(rule, imageOf('v1'), first);
  await redis.del(await redis.keys(`${prefix}:*`));
  await baseline.enter(rule, imageOf('v2'), first);
  expect(await complete(baseline, walk)).toBe(false);
  expect(await baseline.isComplete(rule, 'lab')).toBe(false);
  expect(await baseline.standing(rule, imageOf('v1'), first)).toBe('preparing');
  expect(await complete(baseline)).toBe(true);
});

test('two walks at once are one: either may complete it', async () => {
  const { baseline } = open();
  const [one, two] = await Promise.all([baseline.begin(rule, 'lab'), baseline.begin(rule, 'lab')]);
  expect(two).toBe(one);
  expect(await complete(baseline, two)).toBe(true);
  expect(await complete(baseline, one)).toBe(true);
  expect(await Array.fromAsync(baseline.entries(rule, 'lab'))).toEqual([]);
});
