import type { KeyObject } from 'node:crypto';
import type { KeySpec, SigningAlgorithm } from '../domain/algorithm.ts';
import { sha256Hex } from '../domain/digest.ts';

// Asking OpenSSL for a key's details takes longer than many a check that needs them; a key never changes.
const known = new WeakMap<KeyObject, KeySpec | 'none'>();

/**
 * The KMS key specification that `key` (public or private) is of, or undefined when it is of none: another size or
 * curve, or an RSA key restricted to PSS, which Go's x509 package and so every Notary Project verifier cannot read.
 */
export function keySpecOf(key: KeyObject): KeySpec | undefined {
  const spec = known.get(key) ?? readSpec(key) ?? 'none';
  known.set(key, spec);
  return spec === 'none' ? undefined : spec;
}

function readSpec(key: KeyObject): KeySpec | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec') return details?.namedCurve === 'prime256v1' ? 'EC_P256' : undefined;
  if (key.asymmetricKeyType !== 'rsa') return undefined;
  if (details?.modulusLength === 2048) return 'RSA_2048';
  return details?.modulusLength === 3072 ? 'RSA_3072' : undefined;
}

/** Whether a key of `spec` can sign with `algorithm` (KMS API, AsymmetricSign, table of key specifications). */
export function canSign(spec: KeySpec, algorithm: SigningAlgorithm): boolean {
  return (spec === 'EC_P256') === (algorithm === 'ECDSA_SHA_256');
}

/** Names a public key: lower-case hex SHA-256 of its SPKI in DER. */
export function publicKeySha256(publicKey: KeyObject): string {
  return sha256Hex(publicKey.export({ type: 'spki', format: 'der' }));
}
