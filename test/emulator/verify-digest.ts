import { constants, createHash, type KeyObject, publicDecrypt, publicEncrypt } from 'node:crypto';
import type { SigningAlgorithm } from '../../src/domain/algorithm.ts';
import { ecdsaDerToRaw } from '../../src/keys/ecdsa-signature.ts';
import { addPoints, basePoint, inverse, multiplyPoint, order, type Point } from './p256.ts';

const hashLength = 32;
const sha256DigestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** Whether `signature` (RSA raw, ECDSA in DER) is the key's over this SHA-256 digest; Node itself verifies messages only. */
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
        return verifyPss(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, signature), digest);
      case 'ECDSA_SHA_256':
        return verifyP256(key, digest, Buffer.from(ecdsaDerToRaw(signature)));
    }
  } catch {
    // Malformed bytes are no signature.
    return false;
  }
}

/** EMSA-PSS-VERIFY of RFC 8017, section 9.1.2, with SHA-256, MGF1 and a salt of 32 bytes. */
function verifyPss(encoded: Buffer, digest: Uint8Array): boolean {
  const blockLength = encoded.length - hashLength - 1;
  const hash = encoded.subarray(blockLength, -1);
  const mask = mgf1(hash, blockLength);
  const block = Buffer.from(encoded.subarray(0, blockLength).map((byte, index) => byte ^ (mask[index] ?? 0)));
  block[0] = (block[0] ?? 0) & 0x7f;
  const salt = block.subarray(-hashLength);
  const padding = Buffer.alloc(blockLength - hashLength);
  padding[padding.length - 1] = 0x01;
  const expected = createHash('sha256').update(Buffer.alloc(8)).update(digest).update(salt).digest();
  return encoded.at(-1) === 0xbc && block.subarray(0, -hashLength).equals(padding) && expected.equals(hash);
}

function mgf1(seed: Uint8Array, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / hashLength) }, (_, counter) =>
    createHash('sha256')
      .update(seed)
      .update(Buffer.from([0, 0, 0, counter]))
      .digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

/** FIPS 186-5, section 6.4.2. */
function verifyP256(key: KeyObject, digest: Uint8Array, raw: Buffer): boolean {
  const r = toBigInt(raw.subarray(0, hashLength));
  const s = toBigInt(raw.subarray(hashLength));
  if (r === 0n || s === 0n || r >= order || s >= order) return false;
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const publicPoint: Point = { x: toBigInt(Buffer.from(x, 'base64url')), y: toBigInt(Buffer.from(y, 'base64url')) };
  const w = inverse(s, order);
  const sum = addPoints(
    multiplyPoint((toBigInt(digest) * w) % order, basePoint),
    multiplyPoint((r * w) % order, publicPoint),
  );
  return sum !== undefined && sum.x % order === r;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}
