import { explainRules } from '../rules/match.ts';
import type { Rule, RuleSet } from '../rules/rule-set.ts';
import type { ImageStatus, ImageStatusRequest } from './image-status.ts';

/** The rules that cover the image and why the others do not; by a digest alone, those that bind a tag are left out. */
export function coveringRules(
  { registry, repository, tag }: Pick<ImageStatusRequest, 'registry' | 'repository' | 'tag'>,
  ruleSet: RuleSet,
): { readonly covering: readonly Rule[]; readonly notWanted: ImageStatus['notWanted'] } {
  const anyTag = tag === undefined ? { tags: undefined } : {};
  const rules = ruleSet.rules.map((rule) => ({ ...rule, ...anyTag }));
  const covering: Rule[] = [];
  const notWanted: { rule: string; reasons: readonly string[] }[] = [];
  for (const { rule, matches, reasons } of explainRules(
    { ...ruleSet, rules },
    { registry: registry.name, repository, tag: tag ?? '' },
  )) {
    if (!matches) notWanted.push({ rule: rule.name, reasons });
    else if (tag === undefined && rule.mode === 'default') {
      notWanted.push({ rule: rule.name, reasons: ['mode default binds a tag, and the reference names none'] });
    } else covering.push(rule);
  }
  return { covering, notWanted };
}
