import { sha256Hex } from '../domain/digest.ts';
import type { Rule, RuleSet, Selection } from './rule-set.ts';

/**
 * Names a rule by what decides which signatures it demands on which images: SHA-256 in hex over canonical JSON. A
 * renamed, rescoped or rotated rule is thereby a new one, which never signs existing images unasked. State, owner,
 * place in the file, `existing` and the list of registries do not count: the identity is used for each registry.
 */
export function ruleIdentity(ruleSet: RuleSet, rule: Rule): string {
  // An array of fixed order is canonical by itself; the order of patterns and formats in the file means nothing.
  return sha256Hex(
    JSON.stringify([
      'rule-identity-v1',
      rule.name,
      canonicalSelection(rule.namespaces),
      canonicalSelection(rule.repositories),
      canonicalSelection(rule.tags),
      rule.mode,
      rule.algorithm,
      canonicalList(rule.formats),
      rule.platforms,
      rule.key,
      ruleSet.keys.get(rule.key)?.publicKeySha256 ?? null,
    ]),
  );
}

function canonicalSelection(selection: Selection | undefined): unknown {
  return selection === undefined ? null : [canonicalList(selection.include), canonicalList(selection.exclude)];
}

function canonicalList(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}
