import { describe, expect, it } from 'vitest';
import { documentedRolePolicy, sample, trustPolicy } from '../../emulator/sample-config.ts';
import { failureOf, startAccount } from './account.ts';

const message = Buffer.from('what is signed');
const alias = 'alias/release';

async function aliasedKey(roles?: Parameters<typeof startAccount>[0]) {
  const account = await startAccount(roles);
  account.emulator.pointAlias(alias, sample.keys.EC_P256);
  const actions = (name: string) => account.emulator.calls.filter(({ action }) => action === name);
  return { ...account, kms: account.key({ keyId: alias }), actions };
}

describe('a key by its alias', () => {
  it('signs, tells its public key, and is called by its id', async () => {
    const { kms, emulator, actions } = await aliasedKey();
    await kms.sign('ECDSA_SHA_256', message);
    expect(await kms.getPublicKey()).toBe(emulator.publicKey(sample.keys.EC_P256, sample.keyVersionId));
    expect(actions('AsymmetricSign').map(({ query }) => query['KeyId'])).toEqual([sample.keys.EC_P256]);
  });

  it('is looked up once for many callers, in a session that can do no more than that', async () => {
    const { kms, actions } = await aliasedKey();
    await Promise.all(Array.from({ length: 10 }, () => kms.sign('ECDSA_SHA_256', message)));
    expect(actions('DescribeKey')).toHaveLength(1);
    const policies = actions('AssumeRole').map(({ query }) => JSON.parse(query['Policy'] ?? '').Statement[0]);
    expect(policies).toMatchObject([
      {
        Action: ['kms:DescribeKey'],
        Resource: [expect.stringMatching(/:key\/\*$/), expect.stringMatching(/:alias\/release$/)],
      },
      {
        Action: ['kms:AsymmetricSign', 'kms:GetPublicKey', 'kms:DescribeKey'],
        Resource: [expect.stringMatching(/:key\/key-sample-p256$/)],
      },
    ]);
  });

  it('signs on with the same key when the alias leads to another one, and says so when it is described', async () => {
    const { kms, emulator, actions } = await aliasedKey();
    await kms.sign('ECDSA_SHA_256', message);
    emulator.pointAlias(alias, sample.keys.RSA_2048);
    await kms.sign('ECDSA_SHA_256', message);
    expect(new Set(actions('AsymmetricSign').map(({ query }) => query['KeyId']))).toEqual(
      new Set([sample.keys.EC_P256]),
    );
    expect(await failureOf(kms.describe())).toMatchObject({
      code: 'key-unusable',
      message: expect.stringMatching(/key-sample-p256 \(alias\/release, when .* answered for key key-sample-rsa2048/),
    });
  });

  it('is refused when the alias is not there, and taken once it is', async () => {
    const { key, emulator } = await startAccount();
    const kms = key({ keyId: alias });
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'key-unusable',
      message: expect.stringMatching(/Forbidden\.AliasNotFound.*alias/),
    });
    emulator.pointAlias(alias, sample.keys.EC_P256);
    await kms.sign('ECDSA_SHA_256', message);
  });

  it('is refused where it has no such version, though another key with this alias would', async () => {
    const { key, emulator } = await startAccount();
    emulator.pointAlias(alias, sample.keys.EC_P256);
    expect(await failureOf(key({ keyId: alias, keyVersionId: 'version-2' }).getPublicKey())).toMatchObject({
      code: 'key-unusable',
      message: expect.stringContaining('Forbidden.KeyVersionNotFound'),
    });
  });
});

describe('what is asked of a key in KMS', () => {
  it('its public key is asked once, its description again after five minutes', async () => {
    let now = Date.now();
    const { key, emulator } = await startAccount();
    const kms = key({}, { now: () => new Date(now) });
    const count = (name: string) => emulator.calls.filter(({ action }) => action === name).length;
    for (let time = 0; time < 3; time += 1) await Promise.all([kms.getPublicKey(), kms.describe()]);
    expect([count('GetPublicKey'), count('DescribeKey')]).toEqual([1, 1]);
    now += 5 * 60_000;
    await Promise.all([kms.getPublicKey(), kms.describe()]);
    expect([count('GetPublicKey'), count('DescribeKey')]).toEqual([1, 2]);
  });

  it('a key that is disabled is asked each time, so that its return is seen at once', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    emulator.setKeyState(sample.keys.EC_P256, 'Disabled');
    expect(await kms.describe()).toMatchObject({ state: 'Disabled' });
    expect(await failureOf(kms.getPublicKey())).toMatchObject({ code: 'key-unusable' });
    emulator.setKeyState(sample.keys.EC_P256, 'Enabled');
    expect(await kms.describe()).toMatchObject({ state: 'Enabled' });
    expect(await kms.getPublicKey()).toContain('BEGIN PUBLIC KEY');
  });

  it.each([
    ['EC_P256', 'ECDSA_SHA_256'],
    ['RSA_2048', 'RSA_PSS_SHA_256'],
  ] as const)('whether a signature of %s is its own', async (spec, algorithm) => {
    const { key } = await startAccount();
    const kms = key({ keyId: sample.keys[spec] });
    const { signature } = await kms.sign(algorithm, message);
    expect(await kms.verify(algorithm, message, signature)).toBe(true);
    expect(await kms.verify(algorithm, Buffer.from('another'), signature)).toBe(false);
  });

  it('its versions, page by page', async () => {
    const versions = Array.from({ length: 205 }, (_, index) => ({ keyVersionId: `v${index}` }));
    const { key, emulator } = await startAccount({ keys: [{ keyId: 'key-many', spec: 'EC_P256', versions }] });
    const kms = key({ keyId: 'key-many', keyVersionId: 'v0' });
    expect(await kms.listVersions()).toEqual(versions.map(({ keyVersionId }) => keyVersionId));
    expect(emulator.calls.filter(({ action }) => action === 'ListKeyVersions')).toHaveLength(3);
  });

  it('the session that signs may neither verify nor list versions', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    await kms.sign('ECDSA_SHA_256', message);
    await kms.listVersions();
    const sessions = emulator.calls.filter(({ action }) => action === 'AssumeRole').map(({ query }) => query['Policy']);
    expect(sessions).toHaveLength(2);
    expect(sessions[0]).not.toMatch(/Verify|ListKeyVersions/);
    expect(sessions[1]).not.toContain('AsymmetricSign');
  });
});

describe('whether it would sign, without a signature', () => {
  const granting = (actions: string[]) => ({
    roles: [
      {
        arn: sample.roleArn,
        trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }),
        policies: [
          { ...documentedRolePolicy, Statement: [{ Effect: 'Allow' as const, Action: actions, Resource: '*' }] },
        ],
      },
    ],
  });

  it('is allowed with the right to', async () => {
    const { key, emulator } = await startAccount();
    expect(await key().maySign('ECDSA_SHA_256')).toBe('allowed');
    expect(emulator.calls.at(-1)).toMatchObject({ action: 'AsymmetricSign', query: { DryRun: 'true' } });
  });

  it('is denied without', async () => {
    const { key } = await startAccount(granting(['kms:DescribeKey']));
    expect(await key().maySign('ECDSA_SHA_256')).toBe('denied');
  });

  it('is invalid with an algorithm that the key cannot do', async () => {
    const { key } = await startAccount();
    expect(await key().maySign('RSA_PSS_SHA_256')).toBe('invalid');
  });

  it('is unknown when KMS is out of order, or takes the dry run for a signature', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    emulator.faults.failNext = { count: 1, status: 503, code: 'ServiceUnavailableTemporary', action: 'AsymmetricSign' };
    expect(await failureOf(kms.maySign('ECDSA_SHA_256'))).toMatchObject({ code: 'kms-unreachable' });
    emulator.faults.failNext = { count: 1, status: 200, code: '', body: '{}', action: 'AsymmetricSign' };
    expect(await failureOf(kms.maySign('ECDSA_SHA_256'))).toMatchObject({
      message: expect.stringContaining('dry run'),
    });
  });
});
