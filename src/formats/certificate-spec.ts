import { X509Certificate } from 'node:crypto';
import type { KeySpec } from '../domain/algorithm.ts';
import { sha256Hex } from '../domain/digest.ts';
import { keySpecOf } from '../keys/key-spec.ts';

// A deployment signs with a few certificates; strangers may push as many as they like, so it begins anew when full.
const knownMax = 1_000;
const known = new Map<string, KeySpec | undefined>();

/**
 * The specification of the key in a certificate (DER), as `keySpecOf`; remembered, since the same few certificates are
 * looked at several times for every signature and parsing one takes longer than the rest of the look.
 * @throws Error of OpenSSL for what is no certificate
 */
export function specOfCertificate(certificate: Uint8Array): KeySpec | undefined {
  const name = sha256Hex(certificate);
  if (known.has(name)) return known.get(name);
  const spec = keySpecOf(new X509Certificate(certificate).publicKey);
  if (known.size >= knownMax) known.clear();
  known.set(name, spec);
  return spec;
}
