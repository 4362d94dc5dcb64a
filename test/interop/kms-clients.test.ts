import { constants, randomBytes, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { assumeRole } from '../../src/alibaba/sts.ts';
import type { StsCredentials } from '../../src/alibaba/sts-credentials.ts';
import { sha256 } from '../../src/domain/digest.ts';
import { documentedRolePolicy, sample, sampleConfig } from '../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../emulator/start-emulator.ts';
import { signingKey } from '../support/signing-keys.ts';
import { type KmsClient, npmKmsClient, startGoKmsClient } from './kms-clients.ts';

const goClient = inject('kmsClientPath');
const clients = [
  { name: 'Go kms-20160120/v3, ACS3-HMAC-SHA256', isGo: true, start: () => startGoKmsClient(goClient ?? '', '') },
  { name: 'Go kms-20160120/v3, HMAC-SHA1', isGo: true, start: () => startGoKmsClient(goClient ?? '', 'v2') },
  { name: 'npm kms20160120 1.2.0, HMAC-SHA1', isGo: false, start: async () => npmKmsClient() },
];

const specs = ['RSA_2048', 'EC_P256'] as const;
const algorithms = [
  ['RSA_PSS_SHA_256', 'RSA_2048'],
  ['RSA_PKCS1_SHA_256', 'RSA_2048'],
  ['ECDSA_SHA_256', 'EC_P256'],
] as const;
const timeouts = { connectTimeoutMs: 30_000, readTimeoutMs: 30_000 };

const message = randomBytes(64);
const Digest = Buffer.from(sha256(message)).toString('base64');

/** Alibaba's published clients, as they are, against the emulator: what they take for KMS may pass for it in tests. */
describe.each(clients)('$name', ({ isGo, start }) => {
  describe.skipIf(isGo && goClient === undefined)('calls the emulated KMS', () => {
    let client: KmsClient;
    beforeAll(async () => {
      client = await start();
    });
    afterAll(() => client.stop());

    async function openSession() {
      const { emulator, session } = await startAccount();
      const call = (
        action: Parameters<KmsClient['call']>[0]['action'],
        parameters: Record<string, string>,
        credentials: StsCredentials = session,
      ) => client.call({ endpoint: emulator.host, credentials, action, parameters });
      return { emulator, session, call };
    }

    test.each(algorithms)('signs with %s what the real public key verifies', async (Algorithm, spec) => {
      const { call } = await openSession();
      const version = { KeyId: sample.keys[spec], KeyVersionId: sample.keyVersionId };
      const { body: key } = await call('GetPublicKey', version);
      const signed = await call('AsymmetricSign', { ...version, Algorithm, Digest });
      expect(key).toMatchObject({ ...version, PublicKey: signingKey(spec).publicKeyPem });
      expect(signed.body).toMatchObject({ ...version, RequestId: expect.any(String) });
      expect(verifies(Algorithm, String(key?.['PublicKey']), String(signed.body?.['Value']))).toBe(true);
    });

    test.each(algorithms)('is told by AsymmetricVerify which signature with %s is one', async (Algorithm, spec) => {
      const { call } = await openSession();
      const request = { KeyId: sample.keys[spec], KeyVersionId: sample.keyVersionId, Algorithm, Digest };
      const { body } = await call('AsymmetricSign', request);
      const Value = String(body?.['Value']);
      const changed = Buffer.from(Value, 'base64');
      changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
      const verdicts = [Value, changed.toString('base64')].map((value) =>
        call('AsymmetricVerify', { ...request, Value: value }),
      );
      expect(await Promise.all(verdicts)).toMatchObject([{ body: { Value: true } }, { body: { Value: false } }]);
    });

    test('gets a signature that does not verify when KMS was told to give one', async () => {
      const { emulator, call } = await openSession();
      emulator.faults.wrongSignatureNext = 1;
      const request = { KeyId: sample.keys.EC_P256, KeyVersionId: sample.keyVersionId, Algorithm: 'ECDSA_SHA_256' };
      const { body } = await call('AsymmetricSign', { ...request, Digest });
      expect(verifies('ECDSA_SHA_256', signingKey('EC_P256').publicKeyPem, String(body?.['Value']))).toBe(false);
    });

    test('reads a key and its versions', async () => {
      const { call } = await openSession();
      const KeyId = sample.keys.RSA_2048;
      expect(await call('DescribeKey', { KeyId })).toMatchObject({
        body: { KeyMetadata: { KeyId, KeySpec: 'RSA_2048', KeyUsage: 'SIGN/VERIFY', KeyState: 'Enabled' } },
      });
      expect(await call('ListKeyVersions', { KeyId })).toMatchObject({
        body: { KeyVersions: { KeyVersion: [{ KeyId, KeyVersionId: sample.keyVersionId }] }, TotalCount: 1 },
      });
    });

    test('reports Alibaba’s codes for a wrong secret and a wrong token', async () => {
      const { emulator, session, call } = await openSession();
      const ask = (change: Partial<StsCredentials>) =>
        call('DescribeKey', { KeyId: sample.keys.EC_P256 }, { ...session, ...change });
      expect(await ask({ accessKeySecret: `${session.accessKeySecret}x` })).toMatchObject({
        code: 'SignatureDoesNotMatch',
      });
      expect(await ask({ securityToken: 'other' })).toMatchObject({ code: 'InvalidSecurityToken.Malformed' });
      expect(await ask({ accessKeyId: 'STS.other' })).toMatchObject({ code: 'InvalidAccessKeyId.NotFound' });
      emulator.expireSessions();
      expect(await ask({})).toMatchObject({ code: 'InvalidSecurityToken.Expired' });
    });

    test.each([
      ['a throttled call', { throttleNext: 1 }, 'Rejected.Throttling'],
      ['a failing service', { failNext: { count: 1, status: 503, code: 'ServiceUnavailableTemporary' } }, undefined],
    ])('reports Alibaba’s code for %s, and works again after it', async (_, faults, code) => {
      const { emulator, call } = await openSession();
      Object.assign(emulator.faults, faults);
      const describeKey = () => call('DescribeKey', { KeyId: sample.keys.EC_P256 });
      expect(await describeKey()).toMatchObject({ code: code ?? 'ServiceUnavailableTemporary' });
      expect(await describeKey()).toMatchObject({ body: { KeyMetadata: { KeyState: 'Enabled' } } });
    });

    test.each([
      ['a key that is not there', { KeyId: 'key-none' }, 'Forbidden.KeyNotFound'],
      ['a version that is not there', { KeyVersionId: 'none' }, 'Forbidden.KeyVersionNotFound'],
      ['a digest that is none', { Digest: 'AAAA' }, 'InvalidParameter'],
      ['an algorithm that the key does not have', { Algorithm: 'RSA_PSS_SHA_256' }, 'InvalidParameter'],
    ])('reports Alibaba’s code for %s', async (_, change, code) => {
      const { call } = await openSession();
      const request = {
        KeyId: sample.keys.EC_P256,
        KeyVersionId: sample.keyVersionId,
        Algorithm: 'ECDSA_SHA_256',
        Digest,
        ...change,
      };
      expect(await call('AsymmetricSign', request)).toMatchObject({ code });
    });
  });
});

/** An account of its own for a test, and a session of its role. */
async function startAccount(): Promise<{ emulator: Emulator; session: StsCredentials }> {
  const { config, accessKeySecret } = sampleConfig({
    keys: specs.map((spec) => ({
      keyId: sample.keys[spec],
      spec,
      versions: [{ keyVersionId: sample.keyVersionId, privateKeyPem: signingKey(spec).privateKeyPem }],
    })),
  });
  const emulator = await startEmulator(config);
  onTestFinished(() => emulator.close());
  const credentials = {
    accessKeyId: sample.worker.accessKeyId,
    accessKeySecret,
    securityToken: undefined,
    expiration: undefined,
  };
  const policy = JSON.stringify(documentedRolePolicy);
  const session = await assumeRole(
    { endpoint: emulator.url, credentials, timeouts },
    { roleArn: sample.roleArn, externalId: undefined, sessionName: 'interop', policy, durationSeconds: 900 },
  );
  return { emulator, session };
}

/** By OpenSSL, and nothing of the emulator's. */
function verifies(algorithm: (typeof algorithms)[number][0], publicKeyPem: string, value: string): boolean {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const key = { key: publicKeyPem, ...(algorithm === 'RSA_PSS_SHA_256' ? pss : {}) };
  return verify('sha256', message, key, Buffer.from(value, 'base64'));
}
