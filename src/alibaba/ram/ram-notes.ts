import type { KmsKeySource, Registry, Rule, RuleSet } from '../../rules/rule-set.ts';
import type { AcrRights } from './ram-actions.ts';

/** What to know of the role of a key. */
export function keyNotes(name: string, { roleArn, keyId }: KmsKeySource): readonly string[] {
  return [
    ...(roleArn.endsWith(':role/AliyunContainerRegistryKMSRole') ? [acrRole(name)] : []),
    ...(keyId.startsWith('alias/') ? [byAlias(name, keyId)] : []),
  ];
}

function acrRole(name: string): string {
  return `Key ${name}: AliyunContainerRegistryKMSRole is the role of ACR's own signing. As documented it may do kms:* with every key of its account, and its trust policy must keep cr.aliyuncs.com beside what stands here; every session of ours is narrowed to the key, but a thief of the worker's identity is not. A role of your own is narrower.`;
}

function byAlias(name: string, keyId: string): string {
  return `Key ${name}: ${keyId} does not tell which key it is, so every key of the region is named; put the key's id in place of "key/*". Whether RAM holds a call by an alias against the alias too is not established: if DescribeKey is refused for it, allow that on ${keyId} as well.`;
}

/** What is done at a registry. */
export type RightsAt = (registry: Registry) => AcrRights;

/** What is wider on the registries than the rules are. */
export function acrNotes(rightsAt: RightsAt, { registries, rules }: RuleSet): readonly string[] {
  const instances = [...registries.values()].filter(({ acr }) => acr !== undefined);
  if (instances.length === 0) {
    return ['No registry of the rules has acr: there a user name and password count, and RAM grants nothing.'];
  }
  const table: AcrRights = Object.assign({}, ...instances.map(rightsAt));
  const notes = [
    everywhere(table),
    ...('cr:PushRepository' in table ? [pushing] : []),
    ...instances.flatMap(unknownAccount),
    ...rules
      .filter((rule) => rule.state !== 'off' && instances.some(({ name }) => rule.registries.includes(name)))
      .flatMap(wider),
  ];
  return [...new Set(notes)];
}

const pushing =
  'cr:PushRepository lets images be overwritten too: there is no right to push signatures alone. Make the tags of the repositories immutable.';

function everywhere(table: AcrRights): string {
  const actions = Object.keys(table).filter((action) => table[action] === 'everything');
  return `${actions.join(' and ')}: documented on all resources ("*") only, so they reach every instance.`;
}

function unknownAccount({ name, acr }: Registry): readonly string[] {
  return acr?.accountId === undefined
    ? [`Registry ${name}: its account is not written, so "*" stands in its place; write acr.accountId.`]
    : [];
}

function wider({ name, namespaces, repositories }: Rule): readonly string[] {
  const excluded = (namespaces?.exclude.length ?? 0) > 0 ? ['the namespaces that it excludes'] : [];
  const narrowed = repositories === undefined ? [] : ['its repository patterns'];
  const what = [...excluded, ...narrowed];
  return what.length === 0
    ? []
    : [`Rule ${name}: ${what.join(' and ')} are not taken out; the whole namespace counts.`];
}
