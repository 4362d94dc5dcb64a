import { expect, test } from 'vitest';
import { createWalkRests } from '../../../src/commands/baseline-rests.ts';

const minuteMs = 60_000;

function restsAt() {
  let nowMs = 0;
  const rests = createWalkRests(() => nowMs);
  return {
    fail: (tookMs: number) => rests.failed('rule', 'lab', { reason: 'denied', tookMs }),
    restsAfter: (ms: number) => {
      nowMs += ms;
      return rests.reasonOf('rule', 'lab') !== undefined;
    },
    rests,
  };
}

test('a walk that fails late rests longer each time, with its reason', () => {
  const { fail, restsAfter, rests } = restsAt();
  fail(10 * minuteMs);
  expect(rests.reasonOf('rule', 'lab')).toBe('denied');
  expect([restsAfter(0.8 * minuteMs), restsAfter(0.4 * minuteMs)]).toEqual([true, false]);
  fail(10 * minuteMs);
  expect([restsAfter(1.7 * minuteMs), restsAfter(0.6 * minuteMs)]).toEqual([true, false]);
});

test('one that fails at once is tried again soon', () => {
  const { fail, restsAfter } = restsAt();
  fail(100);
  expect([restsAfter(900), restsAfter(200)]).toEqual([true, false]);
});

test('another rule or registry does not rest with it', () => {
  const { fail, rests } = restsAt();
  fail(minuteMs);
  expect([rests.reasonOf('other', 'lab'), rests.reasonOf('rule', 'far')]).toEqual([undefined, undefined]);
});
