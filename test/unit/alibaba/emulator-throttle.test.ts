import { expect, it } from 'vitest';
import { createThrottle } from '../../emulator/throttle.ts';

it('admits as many calls of an account in any second as it may have, and no more', () => {
  const throttle = createThrottle();
  const at = (...timesMs: number[]) => timesMs.map((timeMs) => throttle('1', 3, timeMs));
  expect(at(0, 400, 999, 999)).toEqual([true, true, true, false]);
  // The first call is a whole second ago: its place is free, the others' are not.
  expect(at(1000, 1000, 1399)).toEqual([true, false, false]);
  expect(at(1400, 1400)).toEqual([true, false]);
});

it('counts each account by itself', () => {
  const throttle = createThrottle();
  expect([throttle('1', 1, 0), throttle('2', 1, 0), throttle('1', 1, 0)]).toEqual([true, true, false]);
});

it('lets refused calls take no place', () => {
  const throttle = createThrottle();
  for (let timeMs = 0; timeMs < 1000; timeMs += 10) throttle('1', 1, timeMs);
  expect(throttle('1', 1, 1000)).toBe(true);
});
