import { expect, test } from 'vitest';
import { retryAfterMs } from '../../../src/registry/retry-after.ts';

const now = new Date('2026-01-02T03:04:05Z');

test.each([
  ['7', 7_000],
  [' 7 ', 7_000],
  ['Fri, 02 Jan 2026 03:04:35 GMT', 30_000],
  ['86400', 60_000],
  ['99999999999999999999999', 60_000],
])('waits as long as %s says, but not longer than the limit', (header, expected) => {
  expect(retryAfterMs(header, now, 60_000)).toBe(expected);
});

test.each([undefined, '', '0', '-5', 'soon', '1.5', '2026-01-02T04:00:00Z', 'Thu, 01 Jan 2026 00:00:00 GMT', 'Friday'])(
  'does not take %s for a time to wait',
  (header) => {
    expect(retryAfterMs(header, now, 60_000)).toBeUndefined();
  },
);
