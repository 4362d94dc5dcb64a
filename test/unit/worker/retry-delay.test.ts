import { expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { retryDelayMs } from '../../../src/worker/retry-delay.ts';

const outage = new AutosignError('registry-unreachable', 'away');
const asking = (retryAfterMs: number) => new AutosignError('registry-throttled', 'slower', { retryAfterMs });
const delays = (attempts: number, error: unknown) => Array.from({ length: 200 }, () => retryDelayMs(attempts, error));

test.each([
  [1, 500, 1_000],
  [2, 1_000, 2_000],
  [11, 512_000, 1_024_000],
])('after %i failed attempts a job waits %i to %i ms', (attempts, leastMs, mostMs) => {
  const all = delays(attempts, outage);
  expect(Math.min(...all)).toBeGreaterThanOrEqual(leastMs);
  expect(Math.max(...all)).toBeLessThanOrEqual(mostMs);
  expect(new Set(all).size).toBeGreaterThan(100);
});

test('never comes back before the time that the other side asked for, and not all at once after it', () => {
  const all = delays(1, asking(60_000));
  expect(Math.min(...all)).toBeGreaterThanOrEqual(60_000);
  expect(Math.max(...all)).toBeLessThanOrEqual(66_000);
  expect(new Set(all).size).toBeGreaterThan(100);
});

test('a shorter time than its own delay does not make it come back sooner', () => {
  expect(Math.min(...delays(11, asking(1_000)))).toBeGreaterThanOrEqual(512_000);
});

test('an error that is not ours asks for nothing', () => {
  expect(Math.max(...delays(1, Object.assign(new Error('x'), { retryAfterMs: 60_000 })))).toBeLessThanOrEqual(1_000);
});
