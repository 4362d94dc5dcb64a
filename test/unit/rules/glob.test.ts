import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coversGlob, globsIntersect, matchesGlob } from '../../../src/rules/glob.ts';

const rows: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
  ['prod', 'prod', true],
  ['prod', 'prod2', false],
  ['prod', 'my-prod', false],
  ['team-*', 'team-a', true],
  ['team-*', 'team-', true],
  ['team-*', 'team', false],
  ['*', 'app', true],
  ['*', 'a/b', false],
  ['**', 'a/b/c', true],
  ['sandbox/**', 'sandbox/a/b', true],
  ['sandbox/**', 'sandbox', false],
  ['sandbox/*', 'sandbox/a/b', false],
  ['*/app', 'team/app', true],
  ['**/app', 'a/b/app', true],
  ['**/app', 'app', false],
  ['*-rc*', 'v1-rc2', true],
  ['*a*b*a*', 'xxaxbxax', true],
  ['*a*b*a*', 'xxbxaxb', false],
  ['v*.*', 'v1', false],
  // What would be special elsewhere is itself here.
  ['v1.0', 'v1x0', false],
  ['a.b', 'a.b', true],
];
test.each(rows)('%s over %s: %s', (pattern, text, matches) => {
  expect(matchesGlob(pattern, text)).toBe(matches);
});

// Few letters, so that patterns and texts often meet.
const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 7 });
const pattern = fc
  .array(fc.constantFrom('a', 'b', '/', '*', '**'), { maxLength: 6 })
  .map((parts) => parts.join(''))
  .filter((joined) => !joined.includes('***'));

/** The definition, word for word; exponential. */
function matchesByDefinition(glob: string, value: string): boolean {
  if (glob === '') return value === '';
  const run = glob.startsWith('**') ? '**' : glob.startsWith('*') ? '*' : '';
  if (run === '') return value[0] === glob[0] && matchesByDefinition(glob.slice(1), value.slice(1));
  const rest = glob.slice(run.length);
  for (let taken = 0; taken <= value.length; taken += 1) {
    if (run === '*' && value.slice(0, taken).includes('/')) return false;
    if (matchesByDefinition(rest, value.slice(taken))) return true;
  }
  return false;
}

/** Every text of at most `length` letters. */
function textsUpTo(length: number): readonly string[] {
  if (length === 0) return [''];
  return ['', ...textsUpTo(length - 1).flatMap((rest) => ['a', 'b', '/'].map((letter) => letter + rest))];
}

const shortTexts = textsUpTo(5);

describe('properties', () => {
  test('matching is the definition', () => {
    fc.assert(
      fc.property(pattern, text, (glob, value) => {
        expect(matchesGlob(glob, value)).toBe(matchesByDefinition(glob, value));
      }),
      { numRuns: 5_000 },
    );
  });

  test('two patterns intersect exactly when a text is matched by both', () => {
    const short = fc
      .array(fc.constantFrom('a', 'b', '/', '*', '**'), { maxLength: 3 })
      .map((parts) => parts.join(''))
      .filter((joined) => !joined.includes('***'));
    fc.assert(
      fc.property(short, short, (left, right) => {
        // Two patterns of three steps have a common text of at most five letters, if any.
        const common = shortTexts.some(
          (value) => matchesByDefinition(left, value) && matchesByDefinition(right, value),
        );
        expect(globsIntersect(left, right)).toBe(common);
      }),
      { numRuns: 1_500 },
    );
  });

  test('what covers a pattern matches all that the pattern matches', () => {
    fc.assert(
      fc.property(pattern, pattern, text, (outer, inner, value) => {
        fc.pre(coversGlob(outer, inner) && matchesGlob(inner, value));
        expect(matchesGlob(outer, value)).toBe(true);
      }),
      { numRuns: 500, maxSkipsPerRun: 1_000 },
    );
  });
});

test('a pattern that makes backtracking matchers hang is decided at once', () => {
  const started = performance.now();
  expect(matchesGlob(`${'*a'.repeat(120)}b`, 'a'.repeat(255))).toBe(false);
  expect(globsIntersect(`${'**a'.repeat(80)}b`, `${'*a'.repeat(120)}c`)).toBe(false);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('covering takes runs for what they are', () => {
  expect(coversGlob('team-*', 'team-a')).toBe(true);
  expect(coversGlob('**', '*')).toBe(true);
  expect(coversGlob('a/**', 'a/**')).toBe(true);
  expect(coversGlob('*', '**')).toBe(false);
  expect(coversGlob('team-a', 'team-*')).toBe(false);
});
