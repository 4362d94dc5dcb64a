import type { AcrSource, Rule } from '../../rules/rule-set.ts';
import type { AcrResource, AcrRights } from './ram-actions.ts';
import type { RamRight } from './ram-policy.ts';

/**
 * The rights of `table` on one instance, for the namespaces of `rules`, the rules of its registry. Where the rules do not
 * say whose the instance is, "*" stands for the account.
 */
export function acrRights(table: AcrRights, source: AcrSource, rules: readonly Rule[]): readonly RamRight[] {
  const { instanceId, region, accountId } = source;
  const arn = (rest: string) => `acs:cr:${region}:${accountId ?? '*'}:${rest}`;
  const below = (some: readonly Rule[]) =>
    namespacesOf(some).map((namespace) => arn(`repository/${instanceId}/${namespace}`));
  const resources: Readonly<Record<AcrResource, readonly string[]>> = {
    everything: ['*'],
    instance: [arn(`instance/${instanceId}`)],
    repositories: [arn(`repository/${instanceId}`)],
    covered: below(rules.filter(({ state }) => state !== 'off')),
    signed: below(rules.filter(({ state }) => state === 'sign')),
  };
  return Object.entries(table).flatMap(([action, on]) => resources[on].map((resource) => ({ action, resource })));
}

/**
 * What stands below an instance in the resource, for the namespaces that `rules` include: patterns of rules are patterns
 * of RAM, where "*" is any run of characters. What a rule excludes is not taken out.
 */
function namespacesOf(rules: readonly Rule[]): readonly string[] {
  const patterns = new Set(rules.flatMap(({ namespaces }) => namespaces?.include ?? ['**']));
  const isAll = (pattern: string) => /^\*+$/.test(pattern);
  if ([...patterns].some(isAll)) return ['*'];
  return [...patterns].map((pattern) => `${pattern.replaceAll('**', '*')}/*`);
}
