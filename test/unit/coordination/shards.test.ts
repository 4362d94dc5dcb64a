import { describe, expect, test } from 'vitest';
import { placeOf, prefixAt } from '../../../src/coordination/shards.ts';

describe('the place of a name', () => {
  // What is stored is found by these for good: another answer would lose it.
  test.each([
    ['prod:team/app', 4, 2],
    ['prod:team/app', 64, 18],
    ['lab:prod/web', 4, 2],
    ['lab:prod/web', 64, 62],
  ])('%s is of %i the number %i', (name, count, place) => {
    expect(placeOf(name, count)).toBe(place);
  });

  test('is the first where there is one only', () => {
    expect(['a', 'b', 'c'].map((name) => placeOf(name, 1))).toEqual([0, 0, 0]);
  });

  test('is spread evenly: none of four has less than a fifth of ten thousand repositories', () => {
    const counts = [0, 0, 0, 0];
    for (let index = 0; index < 10_000; index += 1) {
      const place = placeOf(`prod:team/app-${index}`, counts.length);
      counts[place] = (counts[place] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(2_000);
  });
});

test.each([
  ['{autosign-0}', 0, '{autosign-0}'],
  ['{autosign-0}', 7, '{autosign-7}'],
  ['{autosign-0}', 10, '{autosign-10}'],
  ['{test-1f2e}', 0, '{test-1f2e}'],
  ['{test-1f2e}', 3, '{test-1f2e-3}'],
])('%s at %i is %s', (first, index, prefix) => {
  expect(prefixAt(first, index)).toBe(prefix);
});
