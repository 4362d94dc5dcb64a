import { expect, test } from 'vitest';
import { askedSleepMs, sleepMs } from '../../../src/worker/sleep.ts';

const samples = (sleepsBefore: number) => Array.from({ length: 200 }, () => sleepMs(sleepsBefore));

test.each([
  [-1, 500],
  [0, 500],
  [1, 500],
  [2, 1_000],
  [5, 8_000],
  [7, 30_000],
  [8, 30_000],
  [1_000, 30_000],
  [Number.MAX_SAFE_INTEGER, 30_000],
])('sleep %d is %d ms, a quarter more or less', (sleepsBefore, middleMs) => {
  const lengths = samples(sleepsBefore);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(middleMs * 0.75);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(middleMs * 1.25);
  expect(lengths.every(Number.isInteger)).toBe(true);
});

test('jobs that fall asleep together do not come back together', () => {
  expect(new Set(samples(8)).size).toBeGreaterThan(50);
});

test('what the other side asks for is kept, with a little on top, up to ten minutes', () => {
  const lengths = Array.from({ length: 200 }, () => askedSleepMs(4_000));
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(4_000);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(5_000);
  expect(new Set(lengths).size).toBeGreaterThan(50);
  expect(askedSleepMs(24 * 3600_000)).toBeLessThanOrEqual(750_000);
});
