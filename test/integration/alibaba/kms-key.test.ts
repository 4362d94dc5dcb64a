import { constants, createPublicKey, randomBytes, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { createKmsKey } from '../../../src/alibaba/kms-key.ts';
import { assumeRole } from '../../../src/alibaba/sts.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { documentedRolePolicy, sample } from '../../emulator/sample-config.ts';
import { failureOf, keySource, permanentKey, startAccount, timeouts } from './account.ts';

const message = randomBytes(100);
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

describe('a KMS key', () => {
  it.each([
    ['RSA_2048', 'RSA_PSS_SHA_256', pss],
    ['RSA_2048', 'RSA_PKCS1_SHA_256', {}],
    ['RSA_3072', 'RSA_PSS_SHA_256', pss],
    ['EC_P256', 'ECDSA_SHA_256', {}],
  ] as const)(
    'of spec %s signs with %s what OpenSSL verifies with its public key',
    async (spec, algorithm, options) => {
      const { key } = await startAccount();
      const kms = key({ keyId: sample.keys[spec] });
      const { signature, requestId } = await kms.sign(algorithm, message);
      const publicKey = createPublicKey(await kms.getPublicKey());
      expect(verify('sha256', message, { key: publicKey, ...options }, signature)).toBe(true);
      expect(requestId).toMatch(/^[0-9A-F-]{36}$/);
    },
  );

  it('describes itself in KMS’s words', async () => {
    const { key } = await startAccount();
    expect(await key().describe()).toEqual({ spec: 'EC_P256', usage: 'SIGN/VERIFY', state: 'Enabled' });
  });

  it('describes a disabled key too', async () => {
    const { key, emulator } = await startAccount();
    emulator.setKeyState(sample.keys.EC_P256, 'Disabled');
    expect(await key().describe()).toMatchObject({ state: 'Disabled' });
  });

  it('assumes its role once for many signatures, and signs as the role', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    await Promise.all(Array.from({ length: 100 }, () => kms.sign('ECDSA_SHA_256', message)));
    const actions = emulator.calls.map((call) => call.action);
    expect(actions.filter((action) => action === 'AssumeRole')).toHaveLength(1);
    expect(actions.filter((action) => action === 'AsymmetricSign')).toHaveLength(100);
    expect(emulator.calls.at(-1)?.caller).toContain(':assumed-role/AliyunContainerRegistryKMSRole/');
  });

  it('gets a new session when KMS says the old one is over, though our clock says otherwise', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    await kms.sign('ECDSA_SHA_256', message);
    emulator.expireSessions();
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'credentials-missing' });
    await kms.sign('ECDSA_SHA_256', message);
  });

  it('sends the external id that the role’s trust policy asks for', async () => {
    const statement = {
      Effect: 'Allow' as const,
      Action: 'sts:AssumeRole' as const,
      Principal: { RAM: [sample.worker.arn] },
      Condition: { StringEquals: { 'sts:ExternalId': 'external-1' } },
    };
    const trust = { Version: '1' as const, Statement: [statement] };
    const policies = [documentedRolePolicy];
    const { key } = await startAccount({ roles: [{ arn: sample.roleArn, trustPolicy: trust, policies }] });
    await key({ externalId: 'external-1' }).sign('ECDSA_SHA_256', message);
    expect(await failureOf(key().sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'role-refused' });
    expect(await failureOf(key({ externalId: 'external-2' }).sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'role-refused',
    });
  });

  it('holds a session that cannot use another key, though the role could', async () => {
    const { key, emulator, base } = await startAccount();
    await key().sign('ECDSA_SHA_256', message);
    const policy = emulator.calls.find((call) => call.action === 'AssumeRole')?.query['Policy'] ?? '';
    const session = await assumeRole(
      { endpoint: emulator.url, credentials: await base.credentials(), timeouts },
      { roleArn: sample.roleArn, externalId: undefined, sessionName: 'test', policy, durationSeconds: 900 },
    );
    const get = (KeyId: string) =>
      callOpenApi({
        endpoint: emulator.url,
        action: 'GetPublicKey',
        version: '2016-01-20',
        query: { KeyId, KeyVersionId: sample.keyVersionId },
        credentials: session,
        timeouts,
      });
    await get(sample.keys.EC_P256);
    expect((await failureOf(get(sample.keys.RSA_2048))).message).toContain('Forbidden.NoPermission');
    const list = callOpenApi({
      endpoint: emulator.url,
      action: 'ListKeyVersions',
      version: '2016-01-20',
      query: { KeyId: sample.keys.EC_P256 },
      credentials: session,
      timeouts,
    });
    expect((await failureOf(list)).message).toContain('Forbidden.NoPermission');
  });

  it('refuses a malformed role before anything is sent', async () => {
    const { key, emulator } = await startAccount();
    expect(() => key({ roleArn: 'AliyunContainerRegistryKMSRole' })).toThrow(/roleArn/);
    expect(emulator.calls).toEqual([]);
  });

  it('names a caFile that it cannot read', async () => {
    const { emulator, base } = await startAccount();
    const source = keySource(emulator.url, { caFile: '/nowhere/ca.pem' });
    const kms = createKmsKey({ source, base, clock: systemClock, timeouts });
    expect(await failureOf(kms.getPublicKey())).toMatchObject({
      code: 'key-unusable',
      message: expect.stringContaining('/nowhere/ca.pem'),
    });
  });

  it('answers a signature that does not verify when KMS did', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    emulator.faults.wrongSignatureNext = 1;
    const publicKey = await kms.getPublicKey();
    const wrong = await kms.sign('ECDSA_SHA_256', message);
    const right = await kms.sign('ECDSA_SHA_256', message);
    expect(verify('sha256', message, publicKey, wrong.signature)).toBe(false);
    expect(verify('sha256', message, publicKey, right.signature)).toBe(true);
  });

  it('does not get anywhere with a wrong secret', async () => {
    const { emulator } = await startAccount();
    const base = permanentKey('not-the-secret');
    const kms = createKmsKey({ source: keySource(emulator.url), base, clock: systemClock, timeouts });
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'credentials-missing',
      message: expect.stringContaining('SignatureDoesNotMatch'),
    });
  });
});
