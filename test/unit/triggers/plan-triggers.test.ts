import { describe, expect, test } from 'vitest';
import type { RuleSet } from '../../../src/rules/rule-set.ts';
import {
  planTriggers,
  type StandingTrigger,
  type WantedTrigger,
  wantedTrigger,
} from '../../../src/triggers/plan-triggers.ts';
import { loadText, rulesText } from '../rules/rules-text.ts';

const url = 'https://hooks.example.com/webhooks/acr/lab/token-that-counts';
const wanted: WantedTrigger = { name: 'autosign-lab', url, type: 'TAG_REG_EXP', tag: '^(?:v.*)$' };
const standing = (id: string, change: Partial<StandingTrigger> = {}): StandingTrigger => ({ id, ...wanted, ...change });
const at = (address: string) => standing('crw-1', { url: address });

describe('the triggers of a repository', () => {
  test('get one when there is none of ours', () => {
    expect(planTriggers([], wanted, 'lab')).toEqual([{ kind: 'create', wanted }]);
  });

  test('stay as they are when ours is right', () => {
    expect(planTriggers([standing('crw-1')], wanted, 'lab')).toEqual([]);
  });

  test.each<[string, Partial<StandingTrigger>, readonly string[]]>([
    ['another token', { url: 'https://hooks.example.com/webhooks/acr/lab/old' }, ['url']],
    ['another host', { url: 'http://old.example.com:8080/webhooks/acr/lab/token-that-counts' }, ['url']],
    ['a host behind a path', { url: 'https://old.example.com/behind/webhooks/acr/lab/t' }, ['url']],
    ['another name of ours', { name: 'autosign' }, ['name']],
    ['other tags', { tag: '^(?:w.*)$' }, ['tag']],
    ['a list of tags', { type: 'TAG_LIST', tag: '["v1"]' }, ['type', 'tag']],
  ])('are set right with %s', (_, change, fields) => {
    expect(planTriggers([standing('crw-1', change)], wanted, 'lab')).toEqual([
      { kind: 'update', id: 'crw-1', wanted, fields },
    ]);
  });

  test('for all tags are right whatever stands as their tag', () => {
    const forAll: WantedTrigger = { ...wanted, type: 'ALL', tag: '' };
    expect(planTriggers([standing('crw-1', { type: 'ALL', tag: '[]' })], forAll, 'lab')).toEqual([]);
  });

  test('keep the one of ours that fits, wherever it stands, and lose the others', () => {
    const all = [standing('crw-1', { tag: '' }), standing('crw-2'), standing('crw-3')];
    expect(planTriggers(all, wanted, 'lab')).toEqual([
      { kind: 'delete', id: 'crw-3', name: 'autosign-lab' },
      { kind: 'delete', id: 'crw-1', name: 'autosign-lab' },
    ]);
  });

  test('lose all of ours when none is wanted', () => {
    const all = [standing('crw-1'), standing('crw-2', { name: 'theirs' }), standing('crw-3', { url: `${url}2` })];
    expect(planTriggers(all, undefined, 'lab').map((change) => 'id' in change && change.id)).toEqual([
      'crw-1',
      'crw-3',
    ]);
  });

  test.each<[string, StandingTrigger]>([
    ['by another name', standing('crw-1', { name: 'ci' })],
    ['with our name inside theirs', standing('crw-1', { name: 'not-autosign' })],
    ['that calls somebody else', at('https://ci.example.com/hook?url=/webhooks/acr/lab/token')],
    ['for another registry of ours', at('https://hooks.example.com/webhooks/acr/lab-2/token')],
    ['whose registry only ends like ours', at('https://hooks.example.com/webhooks/acr/my-lab/token')],
    ['without a token', at('https://hooks.example.com/webhooks/acr/lab/')],
    ['with more behind the token', at('https://hooks.example.com/webhooks/acr/lab/token/more')],
    ['whose address cannot be read', at('lab/acr/webhooks')],
    ['without an address', at('')],
  ])('%s are of others: they are not touched, and ours is made beside them', (_, theirs) => {
    expect(planTriggers([theirs], wanted, 'lab')).toEqual([{ kind: 'create', wanted }]);
    expect(planTriggers([theirs], undefined, 'lab')).toEqual([]);
  });
});

describe('a repository', () => {
  const target = { registry: 'lab', url };
  const rule = (text: string): Promise<RuleSet> =>
    loadText(rulesText({ rule: `, key: dev, algorithm: ECDSA_SHA_256${text}` }));

  test.each([
    ['is covered by a rule for every tag', '', 'prod/app', 'ALL'],
    ['is covered by a rule for some tags', ', tags: { include: ["v*"] }', 'prod/app', 'TAG_REG_EXP'],
    ['is covered by a rule that watches', ', state: audit', 'prod/app', 'ALL'],
    [
      'with levels is covered',
      ', namespaces: { include: [prod] }, repositories: { include: ["a/**"] }',
      'prod/a/b/c',
      'ALL',
    ],
    ['is not covered: another namespace', ', namespaces: { include: [prod] }', 'team/app', undefined],
    ['is not covered: excluded', ', repositories: { exclude: [app] }', 'prod/app', undefined],
    ['is not covered: the rule is off', ', state: "off"', 'prod/app', undefined],
    ['is not covered: no tag is selected', ', tags: { include: [v1], exclude: ["v*"] }', 'prod/app', undefined],
  ])('%s', async (_, text, repository, type) => {
    expect(wantedTrigger(await rule(text), target, repository)?.type).toBe(type);
  });

  test('of a registry without rules is not covered', async () => {
    expect(wantedTrigger(await rule(''), { ...target, registry: 'other' }, 'prod/app')).toBeUndefined();
  });
});
