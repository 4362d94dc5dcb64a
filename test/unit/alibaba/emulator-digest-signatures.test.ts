import { constants, createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { signDigest, verifyDigest } from '../../emulator/digest-signatures.ts';
import { encodePss, isPssOf } from '../../emulator/rsa-pss.ts';

const message = Buffer.from('what is signed');
const digestOf = (content: Uint8Array) => createHash('sha256').update(content).digest();
const digest = digestOf(message);
const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsa3072 = generateKeyPairSync('rsa', { modulusLength: 3072 });
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

describe.each([
  ['RSA_PSS_SHA_256', 2048, rsa2048, pss],
  ['RSA_PSS_SHA_256', 3072, rsa3072, pss],
  ['RSA_PKCS1_SHA_256', 2048, rsa2048, {}],
  ['RSA_PKCS1_SHA_256', 3072, rsa3072, {}],
  ['ECDSA_SHA_256', 256, ec, {}],
] as const)('%s with a key of %i bits', (algorithm, _bits, { privateKey, publicKey }, options) => {
  const signature = sign('sha256', message, { key: privateKey, ...options });

  it('signs digests so that OpenSSL accepts the messages', () => {
    // Enough that some r, s or RSA number begins with a zero byte or a set first bit.
    for (let count = 0; count < 40; count += 1) {
      const content = Buffer.from(`message ${count}`);
      const signed = signDigest(privateKey, algorithm, digestOf(content));
      expect(verify('sha256', content, { key: publicKey, ...options }, signed)).toBe(true);
      expect(verify('sha256', message, { key: publicKey, ...options }, signed)).toBe(false);
      expect(verifyDigest(publicKey, algorithm, digestOf(content), signed)).toBe(true);
    }
  });

  it('accepts the signatures that OpenSSL made over the message', () => {
    for (let count = 0; count < 40; count += 1) {
      const made = sign('sha256', message, { key: privateKey, ...options });
      expect(verifyDigest(publicKey, algorithm, digest, made)).toBe(true);
    }
  });

  it('rejects another digest, a signature changed anywhere, and bytes that are none', () => {
    expect(verifyDigest(publicKey, algorithm, digestOf(Buffer.from('other')), signature)).toBe(false);
    for (const at of [0, 1, 40, signature.length - 1]) {
      const changed = Buffer.from(signature);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(verifyDigest(publicKey, algorithm, digest, changed)).toBe(false);
    }
    for (const none of [Buffer.alloc(0), Buffer.alloc(signature.length), signature.subarray(1)]) {
      expect(verifyDigest(publicKey, algorithm, digest, none)).toBe(false);
    }
  });
});

describe('verifyDigest with RSA_PSS_SHA_256', () => {
  it.each([0, 20, 64])('rejects a salt of %i bytes', (saltLength) => {
    const signature = sign('sha256', message, { key: rsa2048.privateKey, ...pss, saltLength });
    expect(verifyDigest(rsa2048.publicKey, 'RSA_PSS_SHA_256', digest, signature)).toBe(false);
  });
});

describe('isPssOf', () => {
  it.each([
    ['first bit', 0, 0x80],
    ['padding', 5, 0x01],
    ['mark between padding and salt', 190, 0x01],
    ['salt', 200, 0x01],
    ['hash', 230, 0x01],
    ['last byte', 255, 0x01],
  ])('rejects an encoding of 256 bytes whose %s is changed', (_part, at, flip) => {
    const encoded = encodePss(digest, 256);
    expect(isPssOf(encoded, digest)).toBe(true);
    encoded[at] = (encoded[at] ?? 0) ^ flip;
    expect(isPssOf(encoded, digest)).toBe(false);
  });
});

describe('signDigest', () => {
  it.each([
    ['RSA_PSS_SHA_256', rsa2048.privateKey],
    ['ECDSA_SHA_256', ec.privateKey],
  ] as const)('never gives the same %s signature twice', (algorithm, key) => {
    const signatures = Array.from({ length: 20 }, () =>
      Buffer.from(signDigest(key, algorithm, digest)).toString('hex'),
    );
    expect(new Set(signatures).size).toBe(20);
  });

  it('gives the larger s as often as the smaller, as KMS may', () => {
    // 33 bytes: the first bit of s is set, so s is above half of the order.
    const larger = Array.from({ length: 60 }, () => {
      const signature = signDigest(ec.privateKey, 'ECDSA_SHA_256', digest);
      return signature[5 + (signature[3] ?? 0)] === 33;
    });
    expect(new Set(larger)).toEqual(new Set([true, false]));
  });
});
