import { describe, expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../src/domain/digest.ts';
import { deniedBy, explainRules, matchRules } from '../../../src/rules/match.ts';
import { loadText, rulesText } from './rules-text.ts';

const image = (reference: string, registry = 'lab') => {
  const [repository = '', tag = ''] = reference.split(':');
  return { registry, repository, tag };
};

async function ruleSetWith(selections: string, state = 'sign') {
  return loadText(rulesText({ rule: `, key: dev, algorithm: ECDSA_SHA_256, state: ${state}${selections}` }));
}

describe('which images a rule takes', () => {
  const example =
    ', namespaces: { include: [prod, "team-*"], exclude: [team-a] }, repositories: { exclude: ["sandbox/**"] }, tags: { include: ["v*"], exclude: ["*-rc*"] }';
  const rows: readonly (readonly [selections: string, reference: string, matches: boolean])[] = [
    [example, 'prod/app:v1', true],
    [example, 'team-b/app:v1', true],
    [example, 'team-a/app:v1', false],
    [example, 'production/app:v1', false],
    [example, 'prod/app:latest', false],
    [example, 'prod/app:v2-rc1', false],
    [example, 'prod/group/app:v1', true],
    // Held against the path below the namespace, not against the whole.
    [example, 'prod/sandbox/x:v1', false],
    [example, 'prod/sandbox/x/y:v1', false],
    [example, 'prod/sandbox:v1', true],
    [example, 'app:v1', false],
    ['', 'app:latest', true],
    ['', 'a/b/c/d:latest', true],
    [', namespaces: {}', 'app:latest', false],
    [', namespaces: {}', 'prod/app:latest', true],
    [', namespaces: { exclude: [dev] }', 'app:latest', false],
    [', repositories: { include: [app] }', 'app:v1', true],
    [', repositories: { include: [app] }', 'prod/app:v1', true],
    [', repositories: { include: [app] }', 'prod/group/app:v1', false],
    [', repositories: { include: ["*"] }', 'prod/group/app:v1', false],
    [', repositories: { include: ["**"] }', 'prod/group/app:v1', true],
    [', repositories: { include: [prod/app] }', 'prod/app:v1', false],
    [', tags: { include: ["*"] }', 'prod/app:V1_x.y-z', true],
    [', tags: { include: [V1] }', 'prod/app:v1', false],
  ];
  test.each(rows)('{%s} over %s: %s', async (selections, reference, matches) => {
    const ruleSet = await ruleSetWith(selections);
    expect(matchRules(ruleSet, image(reference))).toHaveLength(matches ? 1 : 0);
    expect(explainRules(ruleSet, image(reference)).map((explanation) => explanation.matches)).toEqual([matches]);
  });
});

test('a rule in audit matches, a rule that is off never does', async () => {
  expect(matchRules(await ruleSetWith('', 'audit'), image('app:v1')).map(({ state }) => state)).toEqual(['audit']);
  expect(matchRules(await ruleSetWith('', 'off'), image('app:v1'))).toEqual([]);
});

test('a rule takes images of its registries only', async () => {
  const ruleSet = await loadText(rulesText({ registry: ' }\n  - { name: other, host: other.example.com' }));
  expect(matchRules(ruleSet, image('app:v1', 'other'))).toEqual([]);
  expect(matchRules(ruleSet, image('app:v1', 'lab'))).toHaveLength(1);
});

test('several rules may take one image, in the order of the file', async () => {
  const rest = '  - { name: a-second, registries: [lab], key: rsa, algorithm: RSA_PSS_SHA_256 }';
  const ruleSet = await loadText(rulesText({ rest }));
  expect(matchRules(ruleSet, image('app:v1')).map(({ name }) => name)).toEqual(['all', 'a-second']);
});

test('an explanation gives every reason', async () => {
  const ruleSet = await ruleSetWith(
    ', namespaces: { include: [prod] }, repositories: { exclude: ["x*"] }, tags: { include: ["v*"] }',
    'off',
  );
  expect(explainRules(ruleSet, image('x1:latest', 'other'))[0]?.reasons).toEqual([
    'its state is off',
    'registry "other": its registries are lab',
    'the image has no namespace, the rule asks for one',
    'repository "x1" is excluded by "x*"',
    'tag "latest" is not included by "v*"',
  ]);
  expect(explainRules(await ruleSetWith(', tags: { include: ["v*"] }'), image('prod/app:v1'))[0]?.reasons).toContain(
    'tag "v1" is included by "v*"',
  );
});

describe('the deny list', () => {
  const [leaked, held, fine] = ['leaked', 'held', 'fine'].map((text) => digestOf(Buffer.from(text))) as [
    Digest,
    Digest,
    Digest,
  ];
  const load = () =>
    loadText(
      rulesText({
        rest: `deny:\n  - { digest: "${leaked}", reason: leaked }\n  - { digest: "${held}", reason: held, until: 2027-01-01T00:00:00Z }`,
      }),
    );
  const before = new Date('2026-12-31T23:59:59.999Z');

  test('denies a digest and an index that contains it', async () => {
    expect(deniedBy(await load(), [fine, leaked], before)?.reason).toBe('leaked');
    expect(deniedBy(await load(), [fine], before)).toBeUndefined();
    expect(deniedBy(await load(), [], before)).toBeUndefined();
  });

  test('an entry with an end holds until that moment and no longer', async () => {
    expect(deniedBy(await load(), [held], before)?.reason).toBe('held');
    expect(deniedBy(await load(), [held], new Date('2027-01-01T00:00:00Z'))).toBeUndefined();
    expect(deniedBy(await load(), [leaked], new Date('2127-01-01T00:00:00Z'))?.reason).toBe('leaked');
  });
});
