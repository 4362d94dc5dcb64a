import { constants, type KeyObject, privateEncrypt, publicDecrypt } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import type { SigningAlgorithm } from '../../src/domain/algorithm.ts';
import { encodePss, isPssOf } from './rsa-pss.ts';

// KMS is given digests, and Node 24 signs and verifies messages only: so RSA is padded here on top of OpenSSL's key
// operation, and ECDSA is a library's.

/** DER of DigestInfo for SHA-256 up to the digest itself (RFC 8017, section 9.2, note 1). */
const sha256DigestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** KMS promises neither the smaller s nor the same signature twice. */
const ecdsa = { prehash: false, lowS: false, format: 'der' } as const;

/**
 * Signs a SHA-256 digest of 32 bytes.
 * @returns RSA: the raw signature (PSS with a salt of 32 bytes); ECDSA: ASN.1 DER
 */
export function signDigest(key: KeyObject, algorithm: SigningAlgorithm, digest: Uint8Array): Uint8Array {
  switch (algorithm) {
    case 'RSA_PSS_SHA_256': {
      const encoded = encodePss(digest, (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
      return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
    }
    case 'RSA_PKCS1_SHA_256':
      return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([sha256DigestInfo, digest]));
    case 'ECDSA_SHA_256': {
      const { d = '' } = key.export({ format: 'jwk' });
      return p256.sign(digest, Buffer.from(d, 'base64url'), { ...ecdsa, extraEntropy: true });
    }
  }
}

/** Whether `signature` (RSA raw, ECDSA in DER) is the public key's over this SHA-256 digest. */
export function verifyDigest(
  key: KeyObject,
  algorithm: SigningAlgorithm,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    switch (algorithm) {
      case 'RSA_PKCS1_SHA_256': {
        const found = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
        return found.equals(Buffer.concat([sha256DigestInfo, digest]));
      }
      case 'RSA_PSS_SHA_256':
        return isPssOf(publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature), digest);
      case 'ECDSA_SHA_256': {
        const { x = '', y = '' } = key.export({ format: 'jwk' });
        // An uncompressed point (SEC 1, section 2.3.3).
        const point = Buffer.concat([Buffer.of(0x04), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
        return p256.verify(signature, digest, point, ecdsa);
      }
    }
  } catch {
    // Malformed bytes are no signature.
    return false;
  }
}
