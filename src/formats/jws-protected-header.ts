import { z } from 'zod';
import type { KeySpec } from '../domain/algorithm.ts';
import { payloadContentType } from './notation-payload.ts';
import { notASignature, readJson } from './read-json.ts';
import { formatTime, timeSchema } from './rfc3339.ts';

const schemeKey = 'io.cncf.notary.signingScheme';
const timeKey = 'io.cncf.notary.signingTime';
const expiryKey = 'io.cncf.notary.expiry';
const pluginKey = 'io.cncf.notary.verificationPlugin';

/** A JWS algorithm by its own name (RFC 7518) and by KMS's. */
export interface JwsAlgorithm {
  readonly name: string;
  readonly algorithm: 'RSA_PSS_SHA_256' | 'ECDSA_SHA_256';
}

/** The algorithm follows from the key of the leaf certificate and from nothing else (signature-specification.md, "Algorithm Selection"). */
const algorithmOfSpec = {
  RSA_2048: { name: 'PS256', algorithm: 'RSA_PSS_SHA_256' },
  EC_P256: { name: 'ES256', algorithm: 'ECDSA_SHA_256' },
  // PS384, which needs a SHA-384 that KMS does not sign.
  RSA_3072: undefined,
} as const satisfies Record<KeySpec, JwsAlgorithm | undefined>;

/** Headers beside these that are not critical say nothing to us. */
const protectedSchema = z.looseObject({
  alg: z.string(),
  cty: z.literal(payloadContentType),
  crit: z.array(z.string()),
  [schemeKey]: z.literal('notary.x509', 'only the signing scheme notary.x509 can be verified'),
  [timeKey]: timeSchema,
  [expiryKey]: timeSchema.nullish(),
});

export interface ProtectedHeader {
  /** The `alg` as written. */
  readonly alg: string;
  readonly signingTime: Date;
  readonly expiry: Date | undefined;
}

/** The one algorithm for a leaf key of this spec; undefined when there is none. */
export function jwsAlgorithmOf(spec: KeySpec | undefined): JwsAlgorithm | undefined {
  return spec === undefined ? undefined : algorithmOfSpec[spec];
}

/** signature-envelope-jws.md, "Protected Headers". */
export function buildProtectedHeader(alg: string, signingTime: Date): string {
  return JSON.stringify({
    alg,
    crit: [schemeKey],
    cty: payloadContentType,
    [schemeKey]: 'notary.x509',
    // Not in `crit`: notation refuses a signature that lists it.
    [timeKey]: formatTime(signingTime),
  });
}

/** @throws AutosignError `manifest-invalid` */
export function readProtectedHeader(bytes: Uint8Array): ProtectedHeader {
  const header = readJson(bytes, 'protected header', protectedSchema);
  if (pluginKey in header) throw notASignature('it asks for a verification plugin');
  const signingTime = header[timeKey];
  const expiry = header[expiryKey] ?? undefined;
  const critical = expiry === undefined ? [schemeKey] : [schemeKey, expiryKey];
  if (header.crit.length !== critical.length || !critical.every((name) => header.crit.includes(name))) {
    throw notASignature(`"crit" of the protected header is not exactly ${critical.join(' and ')}`);
  }
  if (expiry !== undefined && expiry <= signingTime) throw notASignature('it expires before it was made');
  return { alg: header.alg, signingTime, expiry };
}
