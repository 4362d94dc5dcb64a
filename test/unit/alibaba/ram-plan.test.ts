import { describe, expect, it } from 'vitest';
import { planRam } from '../../../src/alibaba/ram/ram-plan.ts';
import type { RamPolicy } from '../../../src/alibaba/ram/ram-policy.ts';
import type { RamRole } from '../../../src/alibaba/ram/ram-roles.ts';
import { loadText } from '../rules/rules-text.ts';

const me = 'acs:ram::1234567890123456:user/me';
const acr = { instanceId: 'cri-one', region: 'cn-hangzhou', accountId: '1234567890123456' };
const repositories = 'acs:cr:cn-hangzhou:1234567890123456:repository/cri-one';
const rule = { name: 'all', registries: ['prod'], key: 'dev', algorithm: 'ECDSA_SHA_256' };
const dev = { name: 'dev', spec: 'EC_P256', local: { privateKeyFile: 'dev.pem' } };
const kms = {
  region: 'cn-hangzhou',
  keyId: 'key-1',
  keyVersionId: 'v1',
  roleArn: 'acs:ram::1234567890123456:role/Signer',
};

async function plan(role: RamRole, parts: { registry?: object; keys?: object[]; rules?: object[] }, identityArn = me) {
  const { registry = { acr }, keys = [], rules = [rule] } = parts;
  const registries = [{ name: 'prod', host: 'registry.example.com', ...registry }];
  const ruleSet = await loadText(JSON.stringify({ version: 1, registries, keys: [dev, ...keys], rules }));
  return planRam(role, { ruleSet, identityArn });
}

/** What a policy allows one action on. */
function resourcesOf(policy: RamPolicy | undefined, action: string): readonly string[] {
  return (policy?.Statement ?? []).filter(({ Action }) => Action.includes(action)).flatMap(({ Resource }) => Resource);
}

async function workerResources(action: string, parts: Parameters<typeof plan>[1]): Promise<readonly string[]> {
  return resourcesOf((await plan('worker', parts)).identities.find(({ name }) => name === me)?.policy, action);
}

describe('what the receiver needs', () => {
  it('is nothing, and it says so', async () => {
    const { identities, notes } = await plan('receiver', {});
    expect(identities).toEqual([]);
    expect(notes).toEqual([expect.stringContaining('without any credential')]);
  });
});

describe('what a worker needs on a registry', () => {
  it.each([
    ['the namespaces of its rules', [{ namespaces: { include: ['b', 'a-*'] } }], ['a-*/*', 'b/*']],
    ['the whole instance, when one rule has no namespaces', [{ namespaces: { include: ['b'] } }, {}], ['*']],
    ['the whole instance, when one rule takes all', [{ namespaces: { include: ['**'] } }], ['*']],
    ['nothing for a rule that is off', [{ namespaces: { include: ['b'] }, state: 'off' }], []],
    ['nothing to push for a rule that only watches', [{ namespaces: { include: ['b'] }, state: 'audit' }], []],
  ])('is to push to %s', async (_, some, expected) => {
    const rules = some.map((more, index) => ({ ...rule, name: `rule-${index}`, ...more }));
    expect(await workerResources('cr:PushRepository', { rules })).toEqual(
      expected.map((below) => `${repositories}/${below}`),
    );
  });

  it('is to pull what a rule only watches', async () => {
    const rules = [{ ...rule, namespaces: { include: ['b'] }, state: 'audit' }];
    expect(await workerResources('cr:PullRepository', { rules })).toEqual([`${repositories}/b/*`]);
  });

  it('is in any account when the rules do not say whose the instance is, and a note says so', async () => {
    const registry = { acr: { ...acr, accountId: undefined } };
    expect(await workerResources('cr:PullRepository', { registry })).toEqual([
      'acs:cr:cn-hangzhou:*:repository/cri-one/*',
    ]);
    expect((await plan('worker', { registry })).notes).toContainEqual(expect.stringContaining('write acr.accountId'));
  });

  it('is nothing for a registry with a user name and password, and a note says so', async () => {
    const { identities, notes } = await plan('worker', { registry: {} });
    expect(identities).toEqual([]);
    expect(notes).toEqual([expect.stringContaining('No registry of the rules has acr')]);
  });

  it('is granted to the registry’s role, when it has one, and to nobody else', async () => {
    const registry = { acr: { ...acr, roleArn: 'acs:ram::1234567890123456:role/registry' } };
    const { identities } = await plan('worker', { registry });
    expect(identities.map(({ name, policy }) => [name, resourcesOf(policy, 'cr:GetAuthorizationToken')])).toEqual([
      [me, []],
      ['acs:ram::1234567890123456:role/registry', ['*']],
    ]);
  });

  it('has the triggers in it when the rules say what they call', async () => {
    const trigger = { tokenSha256: ['a'.repeat(64)], url: 'https://hooks.example.com', tokenEnv: 'TOKEN' };
    expect(await workerResources('cr:CreateWebHook', {})).toEqual([]);
    expect(await workerResources('cr:CreateWebHook', { registry: { acr, webhook: trigger } })).toEqual([
      `${repositories}/*`,
    ]);
  });

  it('is noted where it is wider than the rules', async () => {
    const rules = [{ ...rule, namespaces: { include: ['b'], exclude: ['c'] }, repositories: { include: ['x/**'] } }];
    const { notes } = await plan('worker', { rules });
    expect(notes).toContainEqual(
      expect.stringMatching(/^Rule all: the namespaces that it excludes and its repository patterns are not taken out/),
    );
    expect(notes).toContainEqual(expect.stringContaining('overwritten'));
    expect(notes).toContainEqual(
      expect.stringMatching(/^cr:GetAuthorizationToken and cr:ListRepositoryTag: .* all resources/),
    );
  });
});

describe('what a worker needs for its keys', () => {
  it('is one role for several keys, with each key and nothing else', async () => {
    const keys = ['key-1', 'key-2'].map((keyId) => ({ name: keyId, spec: 'EC_P256', kms: { ...kms, keyId } }));
    const { identities } = await plan('worker', { registry: {}, keys });
    expect(identities).toEqual([
      {
        name: me,
        trustPolicy: undefined,
        policy: {
          Version: '1',
          Statement: [
            { Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: ['acs:ram::1234567890123456:role/Signer'] },
          ],
        },
      },
      {
        name: 'acs:ram::1234567890123456:role/Signer',
        trustPolicy: {
          Version: '1',
          Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { RAM: [me] } }],
        },
        policy: {
          Version: '1',
          Statement: [
            {
              Effect: 'Allow',
              Action: ['kms:AsymmetricSign', 'kms:GetPublicKey', 'kms:DescribeKey'],
              Resource: [
                'acs:kms:cn-hangzhou:1234567890123456:key/key-1',
                'acs:kms:cn-hangzhou:1234567890123456:key/key-2',
              ],
            },
          ],
        },
      },
    ]);
  });

  it('is each role of a chain, trusted by the one before, with its external id', async () => {
    const via = [{ roleArn: 'acs:ram::1234567890123456:role/way', externalId: 'of-the-way' }];
    const { identities } = await plan('worker', {
      registry: {},
      keys: [{ ...dev, name: 'k', local: undefined, kms: { ...kms, via } }],
    });
    expect(identities.map(({ name, trustPolicy }) => [name, trustPolicy?.Statement])).toEqual([
      [me, undefined],
      [
        'acs:ram::1234567890123456:role/way',
        [
          {
            Effect: 'Allow',
            Action: 'sts:AssumeRole',
            Principal: { RAM: [me] },
            Condition: { StringEquals: { 'sts:ExternalId': ['of-the-way'] } },
          },
        ],
      ],
      [
        'acs:ram::1234567890123456:role/Signer',
        [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { RAM: ['acs:ram::1234567890123456:role/way'] } }],
      ],
    ]);
  });

  it('is every key of the region for one that is named by its alias, and a note says so', async () => {
    const keys = [{ name: 'k', spec: 'EC_P256', kms: { ...kms, keyId: 'alias/release' } }];
    const { identities, notes } = await plan('worker', { registry: {}, keys });
    expect(resourcesOf(identities[1]?.policy, 'kms:AsymmetricSign')).toEqual([
      'acs:kms:cn-hangzhou:1234567890123456:key/*',
    ]);
    expect(notes).toContainEqual(expect.stringMatching(/^Key k: alias\/release does not tell which key it is/));
  });

  it('is noted to be wide for the role of ACR', async () => {
    const roleArn = 'acs:ram::1234567890123456:role/AliyunContainerRegistryKMSRole';
    const keys = [{ name: 'k', spec: 'EC_P256', kms: { ...kms, roleArn } }];
    const { notes } = await plan('worker', { registry: {}, keys });
    expect(notes).toContainEqual(expect.stringMatching(/^Key k: .*kms:\*.*cr\.aliyuncs\.com/));
  });
});

describe('what looks and changes nothing', () => {
  it('has no right to change anything, nor to a key', async () => {
    const { identities } = await plan('read-only', { keys: [{ name: 'k', spec: 'EC_P256', kms }] });
    const actions = identities.flatMap(({ policy }) => policy?.Statement ?? []).flatMap(({ Action }) => Action);
    for (const action of actions) expect(action).toMatch(/^cr:(Get|List|Pull)/);
  });
});
