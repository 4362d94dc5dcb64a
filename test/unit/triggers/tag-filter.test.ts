import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { selectsTag } from '../../../src/rules/match.ts';
import type { Rule, Selection } from '../../../src/rules/rule-set.ts';
import { tagFilterOf } from '../../../src/triggers/tag-filter.ts';
import { loadText, rulesText } from '../rules/rules-text.ts';

const only = (...include: string[]): Selection => ({ include, exclude: [] });
const but = (include: string, ...exclude: string[]): Selection => ({ include: [include], exclude });

describe('the tags of a trigger', () => {
  test.each<[string, readonly (Selection | undefined)[], string | undefined]>([
    ['every tag of a rule without tags', [undefined], 'ALL'],
    ['every tag of a rule without tags beside another', [only('v1'), undefined], 'ALL'],
    ['every tag of *', [only('*')], 'ALL'],
    ['every tag of **', [only('**')], 'ALL'],
    ['one tag', [only('latest')], '^(?:latest)$'],
    ['a dot that stands for itself', [only('v1.0')], '^(?:v1\\.0)$'],
    ['a pattern', [only('v*')], '^(?:v.*)$'],
    ['levels, which no tag has', [only('v**')], '^(?:v.*)$'],
    ['the union of two rules, in an order of its own', [only('v*'), only('release-*')], '^(?:release-.*|v.*)$'],
    ['what another takes in, once', [only('v*', 'v1'), only('v1*')], '^(?:v.*)$'],
    ['the same tags written in two ways, once', [only('**a'), only('*a')], '^(?:.*a)$'],
    ['an exclusion that takes nothing out', [but('v*', 'latest')], '^(?:v.*)$'],
    ['an exclusion that takes some out', [but('v*', '*-rc*')], 'ALL'],
    ['an exclusion that another rule lets in', [but('v*', '*-rc*'), only('v*')], '^(?:v.*)$'],
    ['an exclusion that takes one pattern out', [{ include: ['v*', 'dev'], exclude: ['d*'] }], '^(?:v.*)$'],
    ['nothing, when all is excluded', [but('v1', 'v*')], undefined],
    ['nothing, of no rule', [], undefined],
    ['an expression that would be long', [only(...Array.from({ length: 30 }, (_, i) => `release-${i}-*`))], 'ALL'],
  ])('are %s', (_, selections, expected) => {
    const filter = tagFilterOf(selections.map((tags) => ({ tags })));
    expect(filter?.type === 'TAG_REG_EXP' ? filter.tag : filter?.type).toBe(expected);
  });

  test('leave out the tags of signatures as soon as the rules say any', () => {
    const { tag = '' } = tagFilterOf([{ tags: only('v*', 'latest') }]) ?? {};
    const hex = '0'.repeat(64);
    expect([`sha256-${hex}`, `sha256-${hex}.sig`].some((each) => new RegExp(tag).test(each))).toBe(false);
  });

  // Few letters, so that patterns and tags often meet; all that is special in an expression and may stand in a tag.
  const letters = ['a', 'B', '1', '.', '-', '_'] as const;
  const tag = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 6 });
  const pattern = fc
    .array(fc.constantFrom(...letters, '*', '**'), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join(''))
    .filter((joined) => !joined.includes('***'));
  const selection = fc.record({
    include: fc.array(pattern, { minLength: 1, maxLength: 3 }),
    exclude: fc.array(pattern, { maxLength: 2 }),
  });

  test('are exactly those that the rules select, or all', async () => {
    const [rule] = (await loadText(rulesText())).rules;
    if (rule === undefined) throw new Error('the sound file has a rule');
    let exact = 0;
    fc.assert(
      fc.property(
        fc.array(selection, { minLength: 1, maxLength: 3 }),
        fc.array(tag, { minLength: 8, maxLength: 8 }),
        (selections, tags) => {
          const rules: readonly Rule[] = selections.map((each) => ({ ...rule, tags: each }));
          const filter = tagFilterOf(rules);
          if (filter?.type === 'ALL') return;
          exact += 1;
          for (const each of tags) {
            const fires = filter !== undefined && new RegExp(filter.tag).test(each);
            expect({ filter, tag: each, fires }).toEqual({
              filter,
              tag: each,
              fires: rules.some((one) => selectsTag(one, each)),
            });
          }
        },
      ),
      { numRuns: 2_000 },
    );
    // Or it would say nothing.
    expect(exact).toBeGreaterThan(300);
  });
});
