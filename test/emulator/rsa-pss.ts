import { createHash, randomBytes } from 'node:crypto';

const hashLength = 32;

/**
 * EMSA-PSS-ENCODE of RFC 8017, section 9.1.1, of a SHA-256 digest, with MGF1 and a salt as long as the hash.
 * @param length bytes of the modulus, whose length in bits must be a multiple of 8
 */
export function encodePss(digest: Uint8Array, length: number): Buffer {
  const salt = randomBytes(hashLength);
  const hash = hashOf(digest, salt);
  const padding = Buffer.alloc(length - 2 * hashLength - 1);
  padding[padding.length - 1] = 0x01;
  return Buffer.concat([applyMask(Buffer.concat([padding, salt]), hash), hash, Buffer.from([0xbc])]);
}

/** EMSA-PSS-VERIFY of RFC 8017, section 9.1.2: whether `encoded` is a PSS encoding of `digest`. */
export function isPssOf(encoded: Buffer, digest: Uint8Array): boolean {
  const hash = encoded.subarray(-hashLength - 1, -1);
  const block = applyMask(encoded.subarray(0, -hashLength - 1), hash);
  const padding = Buffer.alloc(block.length - hashLength);
  padding[padding.length - 1] = 0x01;
  return (
    (encoded[0] ?? 0) < 0x80 &&
    encoded.at(-1) === 0xbc &&
    block.subarray(0, -hashLength).equals(padding) &&
    hashOf(digest, block.subarray(-hashLength)).equals(hash)
  );
}

function hashOf(digest: Uint8Array, salt: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.alloc(8)).update(digest).update(salt).digest();
}

/** Puts the mask on, or takes it off. The encoding has one bit less than the modulus, so the first bit is cleared. */
function applyMask(block: Buffer, seed: Uint8Array): Buffer {
  const mask = mgf1(seed, block.length);
  const masked = Buffer.from(block.map((byte, index) => byte ^ (mask[index] ?? 0)));
  masked[0] = (masked[0] ?? 0) & 0x7f;
  return masked;
}

/** The mask of RFC 8017, appendix B.2.1. */
function mgf1(seed: Uint8Array, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / hashLength) }, (_, counter) =>
    createHash('sha256')
      .update(seed)
      .update(Buffer.from([0, 0, 0, counter]))
      .digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}
