import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { assumeRole } from '../../../src/alibaba/sts.ts';
import { documentedRolePolicy, sample } from '../../emulator/sample-config.ts';
import { failureOf, startAccount, timeouts } from './account.ts';

const message = randomBytes(100);
const sha256 = createHash('sha256').update(message).digest();

/** Calls an action on a key of a new account, in a session that may do all that the role may, or that on one resource. */
async function openSession(resource?: string) {
  const { emulator, base, key } = await startAccount();
  const [statement] = documentedRolePolicy.Statement;
  const narrowed = { Version: '1', Statement: [{ ...statement, Resource: resource }] };
  const policy = JSON.stringify(resource === undefined ? documentedRolePolicy : narrowed);
  const credentials = await assumeRole(
    { endpoint: emulator.url, credentials: await base.credentials(), timeouts },
    { roleArn: sample.roleArn, externalId: undefined, sessionName: 'test', policy, durationSeconds: 900 },
  );
  const call = (action: string, query: Record<string, string>) =>
    callOpenApi({
      endpoint: emulator.url,
      action,
      version: '2016-01-20',
      query: { KeyVersionId: sample.keyVersionId, ...query },
      credentials,
      timeouts,
    });
  return { call, key };
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

describe('the emulated KMS', () => {
  it.each([
    ['a message in place of its digest', base64(message)],
    ['a digest of 31 bytes', base64(sha256.subarray(1))],
    ['a digest in hex', sha256.toString('hex')],
  ])('refuses to sign %s', async (_, Digest) => {
    const { call } = await openSession();
    const signed = call('AsymmetricSign', { KeyId: sample.keys.EC_P256, Algorithm: 'ECDSA_SHA_256', Digest });
    expect((await failureOf(signed)).message).toContain('InvalidParameter');
  });

  it.each([
    ['RSA_2048', 'RSA_PSS_SHA_256'],
    ['RSA_2048', 'RSA_PKCS1_SHA_256'],
    ['EC_P256', 'ECDSA_SHA_256'],
  ] as const)('with a key of spec %s and %s verifies its own signature and no other', async (spec, Algorithm) => {
    const { call, key } = await openSession();
    const KeyId = sample.keys[spec];
    const signatureOf = async (content: Uint8Array) =>
      base64((await key({ keyId: KeyId }).sign(Algorithm, content)).signature);
    const verify = (Value: string) => call('AsymmetricVerify', { KeyId, Algorithm, Digest: base64(sha256), Value });
    expect(await verify(await signatureOf(message))).toMatchObject({ Value: true });
    expect(await verify(await signatureOf(sha256))).toMatchObject({ Value: false });
    expect(await verify(base64(randomBytes(256)))).toMatchObject({ Value: false });
  });
});

describe('a dry run', () => {
  const request = { KeyId: sample.keys.EC_P256, Algorithm: 'ECDSA_SHA_256', Digest: sha256.toString('base64') };

  it.each([
    ['that would succeed', {}, 'DryRunOperationError'],
    ['of what is not permitted', { KeyId: sample.keys.RSA_2048 }, 'AccessDeniedError'],
    ['with a version that is not there', { KeyVersionId: 'none' }, 'ValidationError'],
    ['with a digest that is none', { Digest: 'AAAA' }, 'ValidationError'],
  ])('%s signs nothing and says so', async (_, change, code) => {
    const { call } = await openSession(`acs:kms:${sample.region}:${sample.accountId}:key/${sample.keys.EC_P256}`);
    const tried = call('AsymmetricSign', { ...request, ...change, DryRun: 'true' });
    expect((await failureOf(tried)).message).toContain(code);
  });
});
