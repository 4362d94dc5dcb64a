import { constants, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { KeySpec, SigningAlgorithm } from '../../../src/domain/algorithm.ts';
import { keySpecOf, publicKeySha256 } from '../../../src/keys/key-spec.ts';
import { createLocalSigner, publicKeyOf } from '../../../src/keys/local-key.ts';
import { signingKey } from '../../support/signing-keys.ts';

const message = Buffer.from('what is signed');
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

function pemOf(pair: { privateKey: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer } }): string {
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

describe('createLocalSigner', () => {
  it.each([
    ['RSA_2048', 'RSA_PSS_SHA_256', pss, 256],
    ['RSA_2048', 'RSA_PKCS1_SHA_256', { padding: constants.RSA_PKCS1_PADDING }, 256],
    ['RSA_3072', 'RSA_PSS_SHA_256', pss, 384],
    ['RSA_3072', 'RSA_PKCS1_SHA_256', { padding: constants.RSA_PKCS1_PADDING }, 384],
    ['EC_P256', 'ECDSA_SHA_256', { dsaEncoding: 'der' }, undefined],
  ] as const)('%s with %s signs so that OpenSSL accepts it', async (spec, algorithm, options, length) => {
    const key = signingKey(spec);
    for (let count = 0; count < 40; count += 1) {
      const content = Buffer.from(`message ${count}`);
      const { signature, requestId } = await key.signer.sign(algorithm, content);
      if (length !== undefined) expect(signature).toHaveLength(length);
      expect(requestId).toBeUndefined();
      expect(verify('sha256', content, { key: key.publicKeyPem, ...options }, signature)).toBe(true);
      expect(verify('sha256', message, { key: key.publicKeyPem, ...options }, signature)).toBe(false);
    }
  });

  it.each(['RSA_PSS_SHA_256', 'ECDSA_SHA_256'] as const)(
    'never gives the same %s signature twice',
    async (algorithm) => {
      const { signer } = signingKey(algorithm === 'ECDSA_SHA_256' ? 'EC_P256' : 'RSA_2048');
      const answers = await Promise.all(Array.from({ length: 50 }, () => signer.sign(algorithm, message)));
      // Of an ECDSA signature the part that the secret number decides: it must never repeat.
      const parts = answers.map(({ signature }) => Buffer.from(signature.subarray(4, 34)).toString('hex'));
      expect(new Set(parts).size).toBe(50);
    },
  );

  it.each([
    ['EC_P256', 'RSA_PSS_SHA_256'],
    ['EC_P256', 'RSA_PKCS1_SHA_256'],
    ['RSA_2048', 'ECDSA_SHA_256'],
  ] as const)('refuses to sign by %s with %s', async (spec, algorithm: SigningAlgorithm) => {
    await expect(signingKey(spec).signer.sign(algorithm, message)).rejects.toMatchObject({
      code: 'key-unusable',
    });
  });

  it.each<readonly [string, KeySpec, () => string, string]>([
    [
      'an RSA key of another size',
      'RSA_2048',
      () => signingKey('RSA_3072').privateKeyPem,
      'is RSA_3072, the rules say RSA_2048',
    ],
    [
      'a key of another kind',
      'EC_P256',
      () => signingKey('RSA_2048').privateKeyPem,
      'is RSA_2048, the rules say EC_P256',
    ],
    [
      'a key on another curve',
      'EC_P256',
      () => pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
      'no supported kind (ec)',
    ],
    ['an Ed25519 key', 'EC_P256', () => pemOf(generateKeyPairSync('ed25519')), 'no supported kind (ed25519)'],
    [
      'an RSA key restricted to PSS',
      'RSA_2048',
      () => pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 })),
      'no supported kind (rsa-pss)',
    ],
    [
      'an RSA key of 1024 bits',
      'RSA_2048',
      () => pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 })),
      'no supported kind (rsa)',
    ],
    ['a public key', 'EC_P256', () => signingKey('EC_P256').publicKeyPem, 'holds no unencrypted private key'],
    ['no key at all', 'EC_P256', () => 'no key', 'holds no unencrypted private key'],
  ])('refuses %s', (_name, spec, privateKeyPem, reason) => {
    const create = () => createLocalSigner({ privateKeyPem: privateKeyPem(), spec });
    expect(create).toThrow(expect.objectContaining({ code: 'key-unusable', message: expect.stringContaining(reason) }));
  });
});

describe('publicKeyOf', () => {
  it('gives the public half, whose name and spec are the key’s', () => {
    const key = signingKey('EC_P256');
    expect(publicKeyOf(key.privateKeyPem)).toBe(key.publicKeyPem);
    expect(publicKeySha256(key.publicKey)).toMatch(/^[0-9a-f]{64}$/);
    expect(keySpecOf(key.publicKey)).toBe('EC_P256');
  });

  it('says nothing of the text that it refuses', () => {
    expect(() => publicKeyOf('-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----')).toThrow(
      /^(?!.*c2VjcmV0)/,
    );
  });
});
