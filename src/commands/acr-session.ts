import { acrSessionPolicy } from '../alibaba/acr-session-policy.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';

/** What the session of a registry's role is narrowed to by these rules; undefined for a registry without a role. */
export function sessionPolicyOf({ name, acr }: Pick<Registry, 'name' | 'acr'>, ruleSet: RuleSet): string | undefined {
  if (acr?.role === undefined) return undefined;
  return acrSessionPolicy({ source: acr, roleArn: acr.role.roleArn, namespaces: namespacesOf(name, ruleSet) });
}

/** The patterns of the namespaces that rules select in a registry; undefined when one of them selects all. */
function namespacesOf(registry: string, { rules }: RuleSet): readonly string[] | undefined {
  const using = rules.filter((rule) => rule.state !== 'off' && rule.registries.includes(registry));
  if (using.length === 0 || using.some((rule) => rule.namespaces === undefined)) return undefined;
  const patterns = using.flatMap((rule) => rule.namespaces?.include ?? []);
  const names = [...new Set(patterns.map((pattern) => pattern.replaceAll(/\*+/g, '*')))].sort();
  return names.includes('*') ? undefined : names;
}
