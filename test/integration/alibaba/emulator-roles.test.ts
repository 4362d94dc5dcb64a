import { describe, expect, it } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { assumeRole } from '../../../src/alibaba/sts.ts';
import type { StsCredentials } from '../../../src/alibaba/sts-credentials.ts';
import type { EmulatorConfig } from '../../emulator/config.ts';
import { sample, trustPolicy } from '../../emulator/sample-config.ts';
import type { Emulator } from '../../emulator/start-emulator.ts';
import { failureOf, startAccount, timeouts } from './account.ts';

const otherAccount = '2222222222222222';
const bridge = `acs:ram::${sample.accountId}:role/bridge`;
const signer = `acs:ram::${otherAccount}:role/signer`;
const keyOf = (accountId: string, keyId: string) => `acs:kms:${sample.region}:${accountId}:key/${keyId}`;

const allow = (Action: string | string[], Resource: string | string[]) => ({
  Effect: 'Allow' as const,
  Action,
  Resource,
});
const deny = (Action: string, Resource: string) => ({ Effect: 'Deny' as const, Action, Resource });
const policy = (...Statement: (ReturnType<typeof allow> | ReturnType<typeof deny>)[]) => ({
  Version: '1' as const,
  Statement,
});

/** A role of the worker's account that may assume one of another account, which has the key `key-abroad`, or `change`. */
function twoAccounts(change: { bridgePolicy?: object; signerTrusts?: string } = {}): Partial<EmulatorConfig> {
  const bridgePolicy = change.bridgePolicy ?? policy(allow('sts:AssumeRole', signer));
  return {
    roles: [
      { arn: bridge, trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }), policies: [bridgePolicy as never] },
      {
        arn: signer,
        trustPolicy: trustPolicy({ RAM: [change.signerTrusts ?? bridge] }),
        policies: [policy(allow('kms:*', keyOf(otherAccount, '*')))],
      },
    ],
    keys: [
      {
        keyId: 'key-abroad',
        accountId: otherAccount,
        aliases: ['alias/abroad'],
        spec: 'EC_P256',
        versions: [{ keyVersionId: 'v1' }],
      },
      { keyId: 'key-home', spec: 'EC_P256', versions: [{ keyVersionId: 'v1' }] },
    ],
  };
}

function clientOf(emulator: Emulator) {
  const endpoint = emulator.url;
  return {
    assume: (credentials: StsCredentials, roleArn: string, session: object = policy(allow('*', '*'))) =>
      assumeRole(
        { endpoint, credentials, timeouts },
        {
          roleArn,
          externalId: undefined,
          sessionName: 'test',
          policy: JSON.stringify(session),
          durationSeconds: 900,
        },
      ),
    describe: (credentials: StsCredentials, KeyId: string) =>
      callOpenApi({ endpoint, action: 'DescribeKey', version: '2016-01-20', query: { KeyId }, credentials, timeouts }),
    whoAmI: (credentials: StsCredentials) =>
      callOpenApi({ endpoint, action: 'GetCallerIdentity', version: '2015-04-01', query: {}, credentials, timeouts }),
  };
}

describe('roles of two accounts', () => {
  async function crossOver(change: Parameters<typeof twoAccounts>[0] = {}) {
    const { emulator, base } = await startAccount(twoAccounts(change));
    const client = clientOf(emulator);
    const bridged = await client.assume(await base.credentials(), bridge);
    return { client, bridged, cross: () => client.assume(bridged, signer) };
  }

  it('lets a session of a role assume the other account’s role that trusts it, and use its keys', async () => {
    const { client, cross } = await crossOver();
    const abroad = await cross();
    expect(await client.whoAmI(abroad)).toMatchObject({
      AccountId: otherAccount,
      Arn: `acs:ram::${otherAccount}:assumed-role/signer/test`,
    });
    for (const name of ['key-abroad', 'alias/abroad']) {
      const Arn = keyOf(otherAccount, 'key-abroad');
      expect(await client.describe(abroad, name)).toMatchObject({ KeyMetadata: { KeyId: 'key-abroad', Arn } });
    }
  });

  it.each<[string, Parameters<typeof twoAccounts>[0]]>([
    ['another role is trusted', { signerTrusts: `acs:ram::${sample.accountId}:role/bridge2` }],
    ['the user behind the session is trusted, and not its role', { signerTrusts: sample.worker.arn }],
    ['a role of the same name in its own account is trusted', { signerTrusts: `acs:ram::${otherAccount}:role/bridge` }],
    ['the first role may assume none', { bridgePolicy: policy(allow('kms:*', '*')) }],
    ['the first role may assume another', { bridgePolicy: policy(allow('sts:AssumeRole', `${signer}2`)) }],
    [
      'the first role is denied it',
      { bridgePolicy: policy(allow('*', '*'), deny('sts:*', `acs:ram::${otherAccount}:*`)) },
    ],
  ])('refuses it when %s', async (_, change) => {
    const { cross } = await crossOver(change);
    expect((await failureOf(cross())).message).toContain('NoPermission');
  });

  it('shows a session no key of another account', async () => {
    const { client, cross } = await crossOver();
    const abroad = await cross();
    expect((await failureOf(client.describe(abroad, 'key-home'))).message).toContain('Forbidden.KeyNotFound');
  });
});

describe('what a session may do', () => {
  const home = keyOf(sample.accountId, 'key-home');
  const mayDo = async (rolePolicy: object, session: object) => {
    const { emulator, base } = await startAccount({
      ...twoAccounts(),
      roles: [{ arn: bridge, trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }), policies: [rolePolicy as never] }],
    });
    const client = clientOf(emulator);
    return client.describe(await client.assume(await base.credentials(), bridge, session), 'key-home');
  };

  it('is what role and session policy both allow', async () => {
    const described = await mayDo(policy(allow('kms:D*', '*')), policy(allow(['kms:describekey'], [home])));
    expect(described).toMatchObject({ KeyMetadata: { KeyState: 'Enabled' } });
  });

  it.each([
    ['the role’s policy', policy(allow('kms:AsymmetricSign', '*')), policy(allow('*', '*'))],
    ['the session policy', policy(allow('*', '*')), policy(allow('kms:AsymmetricSign', '*'))],
    ['a resource of the session policy', policy(allow('*', '*')), policy(allow('kms:*', `${home}2`))],
    ['a Deny of the role', policy(allow('*', '*'), deny('kms:Describe*', home)), policy(allow('*', '*'))],
    ['a Deny of the session', policy(allow('*', '*')), policy(allow('*', '*'), deny('kms:*', '*'))],
  ])('is refused by %s', async (_, rolePolicy, session) => {
    expect((await failureOf(mayDo(rolePolicy, session))).message).toContain('Forbidden.NoPermission');
  });

  it.each([
    ['a condition', { ...allow('*', '*'), Condition: { Bool: { 'acs:SecureTransport': 'true' } } }],
    ['NotAction', { Effect: 'Allow', NotAction: 'sts:*', Resource: '*' }],
  ])('cannot be said with %s, which is not emulated', async (_, statement) => {
    const session = { Version: '1', Statement: [statement] };
    const refused = await failureOf(mayDo(policy(allow('*', '*')), session));
    expect(refused.message).toContain('InvalidParameter.PolicyGrammar');
  });
});
