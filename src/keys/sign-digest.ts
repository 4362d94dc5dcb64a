import { constants, createECDH, createHash, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto';
import type { SigningAlgorithm } from '../domain/algorithm.ts';
import { ecdsaRawToDer } from './ecdsa-signature.ts';

const hashLength = 32;
/** Order of the base point of P-256 (FIPS 186-5 / SP 800-186, section 3.2.1.3). */
const p256Order = 0xffffffff_00000000_ffffffff_ffffffff_bce6faad_a7179e84_f3b9cac2_fc632551n;
/** DER of DigestInfo for SHA-256 up to the digest itself (RFC 8017, section 9.2, note 1). */
const sha256DigestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/**
 * Signs a SHA-256 digest of 32 bytes, as a key service does. Node 24 signs messages only, so the padding of RSA and the
 * last line of ECDSA are done here on top of OpenSSL's own key and point operations. For development keys.
 * @returns RSA: the raw signature (PSS with a salt of 32 bytes); ECDSA: ASN.1 DER
 */
export function signDigest(privateKey: KeyObject, algorithm: SigningAlgorithm, digest: Uint8Array): Uint8Array {
  if (digest.length !== hashLength) throw new RangeError(`a SHA-256 digest has 32 bytes, not ${digest.length}`);
  switch (algorithm) {
    case 'RSA_PSS_SHA_256': {
      const encoded = encodePss(digest, (privateKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
      return privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encoded);
    }
    case 'RSA_PKCS1_SHA_256': {
      const digestInfo = Buffer.concat([sha256DigestInfo, digest]);
      return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, digestInfo);
    }
    case 'ECDSA_SHA_256':
      return signP256(privateKey, digest);
  }
}

/** EMSA-PSS-ENCODE of RFC 8017, section 9.1.1, with SHA-256, MGF1 and a salt as long as the hash. */
function encodePss(digest: Uint8Array, length: number): Buffer {
  const salt = randomBytes(hashLength);
  const hash = createHash('sha256').update(Buffer.alloc(8)).update(digest).update(salt).digest();
  const block = Buffer.alloc(length - hashLength - 1);
  block[block.length - hashLength - 1] = 0x01;
  salt.copy(block, block.length - hashLength);
  const mask = mgf1(hash, block.length);
  const masked = block.map((byte, index) => byte ^ (mask[index] ?? 0));
  // The encoded message has one bit less than the modulus.
  masked[0] = (masked[0] ?? 0) & 0x7f;
  return Buffer.concat([masked, hash, Buffer.from([0xbc])]);
}

/** The mask of RFC 8017, appendix B.2.1. */
function mgf1(seed: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0; counter * hashLength < length; counter += 1) {
    const suffix = Buffer.alloc(4);
    suffix.writeUInt32BE(counter);
    blocks.push(createHash('sha256').update(seed).update(suffix).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** ECDSA of FIPS 186-5, section 6.4.1: OpenSSL draws the secret number k and multiplies the point. */
function signP256(privateKey: KeyObject, digest: Uint8Array): Uint8Array {
  const secret = toBigInt(Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'));
  for (;;) {
    const ephemeral = createECDH('prime256v1');
    const point = ephemeral.generateKeys();
    const r = toBigInt(point.subarray(1, 1 + hashLength)) % p256Order;
    // The inverse takes a time that depends on its argument, so k is blinded by a random factor.
    const blind = toBigInt(uniformScalar());
    const blindedInverse = inverse((toBigInt(ephemeral.getPrivateKey()) * blind) % p256Order);
    const blindedSum = (blind * toBigInt(digest) + ((blind * r) % p256Order) * secret) % p256Order;
    const s = (blindedInverse * blindedSum) % p256Order;
    if (r !== 0n && s !== 0n) return ecdsaRawToDer(Buffer.concat([toBytes(r), toBytes(s)]));
  }
}

/** A uniform number between 1 and the order, drawn by OpenSSL. */
function uniformScalar(): Buffer {
  const pair = createECDH('prime256v1');
  pair.generateKeys();
  return pair.getPrivateKey();
}

/** The inverse modulo the order, by the extended Euclidean algorithm. */
function inverse(value: bigint): bigint {
  let [previous, current] = [p256Order, value];
  let [previousFactor, factor] = [0n, 1n];
  while (current !== 0n) {
    const quotient = previous / current;
    [previous, current] = [current, previous - quotient * current];
    [previousFactor, factor] = [factor, previousFactor - quotient * factor];
  }
  return previousFactor < 0n ? previousFactor + p256Order : previousFactor;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}

function toBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * hashLength, '0'), 'hex');
}
