import { describe, expect, test } from 'vitest';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import { loadText, refusalOf, rulesText, textAccess } from './rules-text.ts';

/** Nine levels of nine aliases each: 387 million values when written out. */
function aliasBomb(): string {
  const levels = ['&a0 [x, x]'];
  for (let level = 1; level < 9; level += 1) {
    levels.push(
      `&a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  }
  return `version: 1\n${levels.map((text, index) => `k${index}: ${text}`).join('\n')}`;
}

describe('refuses files that are not plain YAML', () => {
  const rows: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    [
      'a key that stands twice',
      'version: 1\nkeys: []\nkeys: []',
      /^rules\.yaml:3: is not sound YAML: Map keys must be unique/,
    ],
    [
      'a key that stands twice in a rule',
      rulesText({ rule: ', key: dev, key: rsa, algorithm: ECDSA_SHA_256' }),
      /^rules\.yaml:11: .*unique/,
    ],
    ['a wrong indentation', 'version: 1\nrules:\n  - name: a\n owner: b', /^rules\.yaml:4: is not sound YAML/],
    ['an open bracket', 'version: 1\ninclude: [a', /^rules\.yaml:2: is not sound YAML/],
    ['a tab', 'version: 1\nrules:\n\t- name: a', /^rules\.yaml:3: is not sound YAML/],
    ['two documents', 'version: 1\n---\nversion: 1', /^rules\.yaml:2: is not sound YAML: .*multiple documents/],
    ['an unknown tag', 'version: !!js/function 1', /^rules\.yaml:1: is not sound YAML: .*tag/],
    ['an alias of nothing', 'version: 1\ninclude: *gone', /^rules\.yaml:2: is not sound YAML: .*alias/],
    ['bytes that are not UTF-8', Uint8Array.of(0x76, 0xff, 0xfe), /^rules\.yaml:1: cannot be read as YAML: .*UTF-8/],
    ['an alias bomb', aliasBomb(), /^rules\.yaml:1: cannot be read as YAML: Excessive alias count/],
    ['lists nested without end', `include: ${'['.repeat(50_000)}`, /^rules\.yaml:1: /],
  ];
  test.each(rows)('refuses %s', async (_, text, line) => {
    const lines = await refusalOf(text);
    expect(lines[0]).toMatch(line);
  });
});

test('refuses a file that is larger than the limit, with what to do', async () => {
  const access = textAccess({ 'rules.yaml': rulesText() });
  await expect(loadRuleSet('rules.yaml', { access, fileBytesMax: 100 })).rejects.toThrow(
    'rules.yaml:1: is larger than 100 bytes; split it by include',
  );
});

test('refuses a map that names its own ancestor', async () => {
  expect(await refusalOf('&all\nversion: 1\nregistries: [*all]')).not.toHaveLength(0);
});

test('refuses the key __proto__ like any other unknown key', async () => {
  expect(await refusalOf(rulesText({ rest: '__proto__: { polluted: true }' }))).toEqual([
    expect.stringMatching(/^rules\.yaml:12: __proto__: is not a known key/),
  ]);
  expect({}).not.toHaveProperty('polluted');
});

test('an alias may repeat a value, and a fault in it is shown where it was written', async () => {
  const rule = (tags: string): string => rulesText({ rule: `, key: dev, algorithm: ECDSA_SHA_256, tags: ${tags}` });
  const second = '  - { name: two, registries: [lab], key: dev, algorithm: ECDSA_SHA_256, tags: *tags }';
  const ruleSet = await loadText(`${rule('&tags { include: [v1] }')}${second}`);
  expect(ruleSet.rules.map(({ tags }) => tags?.include)).toEqual([['v1'], ['v1']]);
  expect(await refusalOf(`${rule('&tags { include: ["v?"] }')}${second}`)).toEqual([
    expect.stringMatching(/^rules\.yaml:11: rules\[0\]\.tags\.include\[0\]: /),
    expect.stringMatching(/^rules\.yaml:11: rules\[1\]\.tags\.include\[0\]: /),
  ]);
});
