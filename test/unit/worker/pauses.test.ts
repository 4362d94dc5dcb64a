import { beforeEach, expect, test } from 'vitest';
import { createPauses, type Pauses } from '../../../src/worker/pauses.ts';

let time: number;
let alarms: string[];
let pauses: Pauses;
beforeEach(() => {
  time = 0;
  alarms = [];
  pauses = createPauses({
    clock: { now: () => new Date(time) },
    onPaused: ({ name }) => alarms.push(`paused ${name}`),
    onResumed: ({ name }) => alarms.push(`resumed ${name}`),
  });
});

test('what nobody paused is tried', () => {
  expect(pauses.admit('key', 'release')).toBeUndefined();
  expect(pauses.list()).toEqual([]);
});

test('a paused key is not tried, with the reason, and only that key', () => {
  pauses.pause('key', 'release', 'disabled');
  expect(pauses.admit('key', 'release')).toBe('disabled');
  expect(pauses.admit('key', 'other')).toBeUndefined();
  expect(pauses.admit('registry', 'release')).toBeUndefined();
});

test('after its time one caller tries and the others wait for what it finds', () => {
  pauses.pause('key', 'release', 'down');
  time += 1_000;
  expect(pauses.admit('key', 'release')).toBeUndefined();
  expect(pauses.admit('key', 'release')).toBe('down');
});

test('a caller that tried and never told leaves the next turn to another one', () => {
  pauses.pause('key', 'release', 'down');
  time += 1_000;
  pauses.admit('key', 'release');
  time += 1_000;
  expect(pauses.admit('key', 'release')).toBeUndefined();
});

test('each failed try doubles the pause, up to fifteen seconds', () => {
  const lasts: number[] = [];
  for (let turn = 0; turn < 7; turn += 1) {
    pauses.pause('key', 'release', 'down');
    const [entry] = pauses.list();
    lasts.push((entry?.until.getTime() ?? 0) - time);
    time = entry?.until.getTime() ?? 0;
    pauses.admit('key', 'release');
  }
  expect(lasts).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
});

test('nobody tries before the other side wants it, and never later than ten minutes', () => {
  pauses.pause('registry', 'lab', 'throttled', 30_000);
  time += 29_999;
  expect(pauses.admit('registry', 'lab')).toBe('throttled');
  time += 1;
  expect(pauses.admit('registry', 'lab')).toBeUndefined();
  pauses.pause('registry', 'lab', 'throttled', 24 * 3_600_000);
  expect(pauses.list()).toMatchObject([{ until: new Date(time + 600_000) }]);
});

test('of jobs that fail together the one that is asked to wait longest decides', () => {
  for (const askedMs of [undefined, 5_000, 20_000, 3_000]) pauses.pause('registry', 'lab', 'throttled', askedMs);
  expect(pauses.list()).toMatchObject([{ until: new Date(20_000) }]);
});

test('jobs that fail together are one failure, and one alarm', () => {
  for (let job = 0; job < 16; job += 1) pauses.pause('key', 'release', 'down');
  const [entry] = pauses.list();
  expect(entry?.until).toEqual(new Date(1_000));
  expect(alarms).toEqual(['paused release']);
});

test('success ends the pause at once and says so, once', () => {
  pauses.pause('registry', 'lab', 'login refused');
  pauses.resume('registry', 'lab', new Date(time));
  pauses.resume('registry', 'lab', new Date(time));
  expect(pauses.admit('registry', 'lab')).toBeUndefined();
  expect(alarms).toEqual(['paused lab', 'resumed lab']);
});

test('success of a job that began before the pause does not end it', () => {
  time = 500;
  pauses.pause('registry', 'lab', 'throttled', 300_000);
  pauses.resume('registry', 'lab', new Date(499));
  expect(pauses.admit('registry', 'lab')).toBe('throttled');
  pauses.resume('registry', 'lab', new Date(500));
  expect(pauses.admit('registry', 'lab')).toBeUndefined();
});

test('a pause that ran out long ago with nobody trying is no alarm any more', () => {
  pauses.pause('key', 'release', 'down');
  time += 15_000;
  expect(pauses.list()).toHaveLength(1);
  time += 1_001;
  expect(pauses.list()).toEqual([]);
});

test('a pause that goes on keeps its beginning', () => {
  pauses.pause('key', 'release', 'down');
  time += 1_000;
  pauses.admit('key', 'release');
  pauses.pause('key', 'release', 'disabled');
  expect(pauses.list()).toMatchObject([{ since: new Date(0), reason: 'disabled' }]);
  expect(alarms).toEqual(['paused release']);
});

test('one image that fails again and again pauses nothing', () => {
  for (let attempt = 0; attempt < 12; attempt += 1) pauses.suspect('registry', 'lab', 'prod/app:v1', '500');
  expect(pauses.list()).toEqual([]);
});

test('three images in a row pause the registry, and a success between them does not count them on', () => {
  pauses.suspect('registry', 'lab', 'prod/app:v1', 'down');
  pauses.suspect('registry', 'lab', 'prod/app:v2', 'down');
  pauses.resume('registry', 'lab', new Date(time));
  pauses.suspect('registry', 'lab', 'prod/app:v3', 'down');
  expect(pauses.list()).toEqual([]);
  pauses.suspect('registry', 'lab', 'prod/app:v4', 'down');
  pauses.suspect('registry', 'lab', 'prod/app:v5', 'down');
  expect(pauses.list()).toMatchObject([{ scope: 'registry', name: 'lab', reason: 'down' }]);
});

test('the one that tries a paused registry and fails prolongs the pause', () => {
  pauses.pause('registry', 'lab', 'down');
  time += 1_000;
  pauses.admit('registry', 'lab');
  pauses.suspect('registry', 'lab', 'prod/app:v1', 'still down');
  expect(pauses.list()).toMatchObject([{ until: new Date(3_000), reason: 'still down' }]);
});

test('looking at a pause takes nobody the turn to try', () => {
  pauses.pause('key', 'release', 'down');
  expect(pauses.reasonFor('key', 'release')).toBe('down');
  time += 1_000;
  expect(pauses.reasonFor('key', 'release')).toBeUndefined();
  expect(pauses.admit('key', 'release')).toBeUndefined();
  expect(pauses.reasonFor('key', 'release')).toBe('down');
});
