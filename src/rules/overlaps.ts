import { coversGlob, globsIntersect } from './glob.ts';
import type { Rule, RuleSet, Selection } from './rule-set.ts';

/** Two rules that can match one image. */
export interface Overlap {
  readonly rules: readonly [Rule, Rule];
  /** The registries that both name. */
  readonly registries: readonly string[];
  /** `identical`: both demand the very same signatures, made once; `several`: the image gets signatures of both. */
  readonly signatures: 'identical' | 'several';
}

/**
 * Every pair of rules (state not `off`) whose selections can match a common image, in the order of the files. Include
 * patterns are intersected exactly; an exclusion takes a pair away only when it certainly covers all of it, so an
 * overlap may be listed that the exclusions together rule out, and none is missed.
 */
export function findOverlaps(ruleSet: RuleSet): readonly Overlap[] {
  const rules = ruleSet.rules.filter((rule) => rule.state !== 'off');
  return rules.flatMap((first, index) =>
    rules.slice(index + 1).flatMap((second) => {
      const registries = first.registries.filter((name) => second.registries.includes(name));
      if (registries.length === 0 || !canMatchCommonImage(first, second)) return [];
      const signatures = demandsSameSignatures(first, second) ? ('identical' as const) : ('several' as const);
      return [{ rules: [first, second] as const, registries, signatures }];
    }),
  );
}

function canMatchCommonImage(first: Rule, second: Rule): boolean {
  return (
    selectionsIntersect(first.namespaces, second.namespaces) &&
    selectionsIntersect(first.repositories, second.repositories) &&
    selectionsIntersect(first.tags, second.tags)
  );
}

const everything: Selection = { include: ['**'], exclude: [] };

function selectionsIntersect(left: Selection = everything, right: Selection = everything): boolean {
  const excluded = [...left.exclude, ...right.exclude];
  const isExcluded = (pattern: string): boolean => excluded.some((exclude) => coversGlob(exclude, pattern));
  return left.include.some((a) => right.include.some((b) => globsIntersect(a, b) && !isExcluded(a) && !isExcluded(b)));
}

function demandsSameSignatures(first: Rule, second: Rule): boolean {
  return (
    first.key === second.key &&
    first.algorithm === second.algorithm &&
    first.mode === second.mode &&
    first.platforms === second.platforms &&
    first.formats.length === second.formats.length &&
    first.formats.every((format) => second.formats.includes(format))
  );
}
