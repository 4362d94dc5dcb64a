import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobIdOf, parseJobId } from '../../../src/queue/job-id.ts';

test.each([
  [0, '1042', '1042'],
  [3, '1042', '3-1042'],
  [63, '1', '63-1'],
  // Only a stranger gives a job an id of his own.
  [0, '3-1042', '0-3-1042'],
])('job %i %s is shown as %s', (index, id, text) => {
  expect(jobIdOf({ index }, id)).toBe(text);
});

test('what is shown names one job of one queue', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 63 }), fc.string({ minLength: 1 }), (index, id) => {
      expect(parseJobId(jobIdOf({ index }, id))).toEqual({ index, id });
    }),
  );
});
