import type { AcrAccess } from '../alibaba/ram/ram-input.ts';
import type { RuleSet } from '../rules/rule-set.ts';

/** The registries that are used through Container Registry's OpenAPI. */
export function acrAccessOf(_ruleSet: RuleSet): readonly AcrAccess[] {
  return [];
}
