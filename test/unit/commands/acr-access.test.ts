import { describe, expect, test } from 'vitest';
import { sessionPolicyOf } from '../../../src/commands/acr-session.ts';
import type { RuleSet } from '../../../src/rules/rule-set.ts';
import { loadText } from '../rules/rules-text.ts';

const role = 'roleArn: "acs:ram::1234567890123456:role/worker"';

async function rulesOf(acr: string, rules: readonly string[]): Promise<RuleSet> {
  return await loadText(
    [
      'version: 1',
      'registries:',
      `  - { name: prod, host: prod.example.com, acr: { instanceId: cri-1, region: cn-hangzhou${acr} } }`,
      '  - { name: lab, host: lab.example.com }',
      'keys:',
      '  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }',
      'rules:',
      ...rules.map((rule, at) => `  - { name: r${at}, key: dev, algorithm: ECDSA_SHA_256, ${rule} }`),
    ].join('\n'),
  );
}

async function policyOf(acr: string, rules: readonly string[]) {
  const ruleSet = await rulesOf(acr, rules);
  const registry = ruleSet.registries.get('prod');
  if (registry === undefined) throw new Error('there is a registry');
  const text = sessionPolicyOf(registry, ruleSet);
  return text === undefined ? undefined : { text, statements: JSON.parse(text).Statement };
}

const prod = 'acs:cr:cn-hangzhou:1234567890123456:repository/cri-1';
const inProd = (selection: string) => `registries: [prod], ${selection}`;

describe('the session of a registry role', () => {
  test('reads the instance, and pulls from and pushes to the namespaces of its rules alone', async () => {
    const policy = await policyOf(`, ${role}`, [
      inProd('namespaces: { include: [prod, "team-*"] }'),
      inProd('namespaces: { include: [prod, billing] }'),
      'registries: [lab]',
    ]);
    expect(policy?.statements).toEqual([
      { Effect: 'Allow', Action: ['cr:Get*', 'cr:List*'], Resource: ['*'] },
      {
        Effect: 'Allow',
        Action: ['cr:PullRepository', 'cr:PushRepository'],
        Resource: [`${prod}/billing/*`, `${prod}/prod/*`, `${prod}/team-*/*`],
      },
    ]);
  });

  test.each([
    ['one rule takes every namespace', [inProd('state: sign'), inProd('namespaces: { include: [prod] }')]],
    ['a pattern takes every namespace', [inProd('namespaces: { include: ["**"] }')]],
    ['no rule names the registry', ['registries: [lab]']],
  ])('is for the whole instance when %s', async (_, rules) => {
    expect((await policyOf(`, ${role}`, rules))?.statements[1].Resource).toEqual([`${prod}/*`]);
  });

  test('does not count a rule that is off', async () => {
    const rules = [inProd('namespaces: { include: [prod] }'), inProd('state: off, namespaces: { include: [secret] }')];
    expect((await policyOf(`, ${role}`, rules))?.statements[1].Resource).toEqual([`${prod}/prod/*`]);
  });

  test('names the account that owns the instance when that is another one', async () => {
    const policy = await policyOf(`, ${role}, accountId: "9999999999999999"`, [inProd('namespaces: { include: [a] }')]);
    expect(policy?.statements[1].Resource).toEqual(['acs:cr:cn-hangzhou:9999999999999999:repository/cri-1/a/*']);
  });

  test('is for the whole instance when the namespaces do not fit into the 1,024 bytes of a session policy', async () => {
    const names = Array.from({ length: 40 }, (_, at) => `namespace-${at}`);
    const policy = await policyOf(`, ${role}`, [inProd(`namespaces: { include: [${names}] }`)]);
    expect(policy?.statements[1].Resource).toEqual([`${prod}/*`]);
    expect(Buffer.byteLength(policy?.text ?? '')).toBeLessThan(1024);
  });

  test('is none without a role', async () => {
    expect(await policyOf('', [inProd('state: sign')])).toBeUndefined();
  });
});
