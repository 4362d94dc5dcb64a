import { coversGlob, globsIntersect } from '../rules/glob.ts';
import type { Rule } from '../rules/rule-set.ts';

/** What tags a trigger fires on, in ACR's words (CreateRepoTrigger, `TriggerType` and `TriggerTag`). */
export interface TagFilter {
  readonly type: 'ALL' | 'TAG_REG_EXP';
  /** A regular expression for `TAG_REG_EXP`; means nothing beside `ALL`. */
  readonly tag: string;
}

// The documentation's own example of a tag beside ALL.
const all: TagFilter = { type: 'ALL', tag: '*' };
/** The longest is not documented; a trigger that fires too often does no harm, one that is cut would lose pushes. */
const expressionLengthMax = 255;

/**
 * The tags that any of `rules` selects, exactly; where that cannot be said, or is every tag, `ALL`: what comes too much
 * is dropped by the receiver. Undefined when no tag is selected. Which language of regular expressions ACR speaks, and
 * whether it wants the whole tag to match, is not documented, so nothing but literals, alternatives, `.*` and anchors is
 * used; there is no exclusion among these.
 */
export function tagFilterOf(rules: readonly Pick<Rule, 'tags'>[]): TagFilter | undefined {
  const parts = rules.flatMap(({ tags }) => selectedBy(tags));
  const whole = parts.flatMap(({ pattern, isWhole }) => (isWhole ? [pattern] : []));
  // What is taken out of one pattern may be let in by another, of the same rule or not.
  const lost = parts.filter(({ pattern, isWhole }) => !isWhole && !whole.some((outer) => coversGlob(outer, pattern)));
  if (lost.length > 0) return all;
  const patterns = withoutCovered(whole);
  if (patterns.length === 0) return undefined;
  const expression = `^(?:${patterns.map(expressionOf).join('|')})$`;
  return patterns.includes('*') || expression.length > expressionLengthMax
    ? all
    : { type: 'TAG_REG_EXP', tag: expression };
}

interface Part {
  readonly pattern: string;
  /** Whether nothing is excluded from it. */
  readonly isWhole: boolean;
}

function selectedBy(tags: Rule['tags']): readonly Part[] {
  if (tags === undefined) return [{ pattern: '*', isWhole: true }];
  const exclude = tags.exclude.map(simplify);
  return tags.include
    .map(simplify)
    .filter((pattern) => !exclude.some((outer) => coversGlob(outer, pattern)))
    .map((pattern) => ({ pattern, isWhole: !exclude.some((other) => globsIntersect(other, pattern)) }));
}

/** No tag has levels, so both kinds of run are the same. */
function simplify(pattern: string): string {
  return pattern.replaceAll('**', '*');
}

/** In an order that does not depend on the rules', so that a trigger is not changed for nothing. */
function withoutCovered(patterns: readonly string[]): readonly string[] {
  const distinct = [...new Set(patterns)].sort();
  return distinct.filter(
    (pattern) =>
      !distinct.some(
        (outer) =>
          outer !== pattern &&
          coversGlob(outer, pattern) &&
          // Of two that cover each other the first stays.
          (!coversGlob(pattern, outer) || outer < pattern),
      ),
  );
}

function expressionOf(pattern: string): string {
  return pattern.replaceAll('.', '\\.').replaceAll('*', '.*');
}
