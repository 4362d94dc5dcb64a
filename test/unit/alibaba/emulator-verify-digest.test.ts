import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { verifyDigest } from '../../emulator/verify-digest.ts';

const message = Buffer.from('what is signed');
const digest = createHash('sha256').update(message).digest();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pss = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

describe.each([
  ['RSA_PSS_SHA_256', rsa.publicKey, sign('sha256', message, pss)],
  ['RSA_PKCS1_SHA_256', rsa.publicKey, sign('sha256', message, rsa.privateKey)],
  ['ECDSA_SHA_256', ec.publicKey, sign('sha256', message, ec.privateKey)],
] as const)('verifyDigest with %s', (algorithm, key, signature) => {
  it('accepts a signature that OpenSSL made over the message', () => {
    expect(verifyDigest(key, algorithm, digest, signature)).toBe(true);
  });

  it('rejects another digest, a changed signature and no signature', () => {
    const changed = Buffer.from(signature);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    expect(verifyDigest(key, algorithm, createHash('sha256').digest(), signature)).toBe(false);
    expect(verifyDigest(key, algorithm, digest, changed)).toBe(false);
    expect(verifyDigest(key, algorithm, digest, Buffer.alloc(0))).toBe(false);
  });
});
