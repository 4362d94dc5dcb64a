import { describe, expect, test } from 'vitest';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import { loadText, rulesText } from './rules-text.ts';

const base = ', key: extra, algorithm: ECDSA_SHA_256, tags: { include: [v1, v2], exclude: [x] }';
const local = (publicKey: string): string =>
  `, local: { privateKeyFile: x.pem }, publicKeySha256: ${publicKey.repeat(64)}`;

async function identityOf(text: string): Promise<string> {
  const ruleSet = await loadText(text);
  const [rule] = ruleSet.rules;
  if (rule === undefined) throw new Error('no rule');
  return ruleIdentity(ruleSet, rule);
}

const withRule = (rule: string): string => rulesText({ key: local('a'), rule });

describe('a rule stays the same', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['in another order of patterns', withRule(base.replace('v1, v2', 'v2, v1, v2'))],
    ['with another owner, state and existing', withRule(`${base}, owner: me, state: audit, existing: sign`)],
    ['at another line', `# a line\n${withRule(base)}`],
    ['with what is the default written out', withRule(`${base}, mode: minimal, formats: [notation], platforms: index`)],
    [
      'on one registry more',
      rulesText({ key: local('a'), rule: base, registry: ' }\n  - { name: two, host: b.example.com' }).replace(
        '[lab]',
        '[lab, two]',
      ),
    ],
  ];
  test.each(rows)('%s', async (_, text) => {
    expect(await identityOf(text)).toBe(await identityOf(withRule(base)));
  });
});

describe('a rule becomes a new one', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['by another name', withRule(base).replace('name: all', 'name: every')],
    ['by another tag', withRule(base.replace('v2', 'v3'))],
    ['by an exclusion less', withRule(base.replace('exclude: [x]', 'exclude: []'))],
    ['by a namespace', withRule(`${base}, namespaces: { include: [prod] }`)],
    ['by asking for any namespace', withRule(`${base}, namespaces: {}`)],
    ['by a repository', withRule(`${base}, repositories: { include: [prod] }`)],
    ['by another mode', withRule(`${base}, mode: default`)],
    ['by another key', withRule(base.replace('extra', 'dev'))],
    ['by another version of the key', rulesText({ key: local('b'), rule: base })],
    ['by the loss of the public key', rulesText({ rule: base })],
  ];
  test.each(rows)('%s', async (_, text) => {
    expect(await identityOf(text)).not.toBe(await identityOf(withRule(base)));
  });
});

test('an identity is 64 hex digits', async () => {
  expect(await identityOf(rulesText())).toMatch(/^[0-9a-f]{64}$/);
});
