import { expect, test } from 'vitest';
import { createPausedSince } from '../../../src/worker/paused-since.ts';

test('remembers the moment when each was first seen paused, and forgets it when it was not', () => {
  const state = { now: 1_000 };
  const since = createPausedSince({ now: () => new Date(state.now) });
  expect(since.of('release')).toBeUndefined();
  since.note(['release']);
  state.now = 2_000;
  since.note(['release', 'other']);
  expect([since.of('release'), since.of('other')]).toEqual([new Date(1_000), new Date(2_000)]);
  since.note(['other']);
  expect(since.of('release')).toBeUndefined();
  state.now = 3_000;
  since.note(['release', 'other']);
  expect([since.of('release'), since.of('other')]).toEqual([new Date(3_000), new Date(2_000)]);
});
