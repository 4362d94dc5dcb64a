import { constants, type KeyObject, verify } from 'node:crypto';
import { sha256Hex } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import { ecdsaDerToRaw } from '../keys/ecdsa-signature.ts';
import { keySpecOf } from '../keys/key-spec.ts';
import type { ManifestArtifact } from '../ports/signature-store.ts';
import { specOfCertificate } from './certificate-spec.ts';
import { buildEnvelope, readEnvelope, signingInput } from './jws-envelope.ts';
import {
  buildProtectedHeader,
  type JwsAlgorithm,
  jwsAlgorithmOf,
  readProtectedHeader,
} from './jws-protected-header.ts';
import {
  buildNotationArtifact,
  mayBeNotationSignature,
  type NotationManifest,
  readNotationArtifact,
} from './notation-manifest.ts';
import { buildPayload, readPayload } from './notation-payload.ts';
import { notASignature } from './read-json.ts';
import type { FormatRequest, ParsedSignature, PreparedSignature, SignatureFormat } from './signature-format.ts';

/** Bytes of a signature: the modulus of RSA_2048; r and s of P-256. */
const signatureLengths = { RSA_PSS_SHA_256: 256, ECDSA_SHA_256: 64 } as const satisfies Record<
  JwsAlgorithm['algorithm'],
  number
>;

/**
 * Notary Project signatures in a JWS envelope (notaryproject/specifications, signature-specification.md and signature-envelope-jws.md), for
 * RSA_2048 with PS256 and EC_P256 with ES256.
 */
export const notationJws = {
  name: 'notation',
  place: 'referrers',
  prepare,
  mayBeOurs: (listed, { leafCertificates }) => mayBeNotationSignature(listed, leafCertificates),
  parse: (artifact) => parse(readNotationArtifact(artifact)),
} satisfies SignatureFormat;

/** @throws AutosignError `certificate-invalid` when there is no leaf certificate, or one whose key cannot sign with the algorithm */
function prepare(request: FormatRequest): PreparedSignature<ManifestArtifact> {
  const { subject, binding, certificateChain, signingTime } = request;
  const [leaf] = certificateChain;
  const jws = leaf === undefined ? undefined : jwsAlgorithmOf(specOfCertificate(leaf));
  if (jws === undefined || jws.algorithm !== request.algorithm) {
    throw new AutosignError(
      'certificate-invalid',
      `a Notary Project signature with ${request.algorithm} needs a certificate for such a key: RSA_2048 for RSA_PSS_SHA_256, EC_P256 for ECDSA_SHA_256`,
    );
  }
  const payload = buildPayload(subject, binding);
  const protectedHeader = buildProtectedHeader(jws.name, signingTime);
  return {
    signedBytes: signingInput(protectedHeader, payload),
    finish: (answer) => {
      const signature = toJwsSignature(answer, jws.algorithm);
      const envelope = buildEnvelope(protectedHeader, payload, certificateChain, signature);
      return buildNotationArtifact({
        subject,
        envelope,
        envelopeMediaType: mediaTypes.jws,
        certificateChain,
        signingTime,
      });
    },
  };
}

/** @throws AutosignError `signature-invalid` for an answer that is no signature of this kind at all */
function toJwsSignature(answer: Uint8Array, algorithm: JwsAlgorithm['algorithm']): Uint8Array {
  if (algorithm === 'ECDSA_SHA_256') return ecdsaDerToRaw(answer);
  if (answer.length !== signatureLengths.RSA_PSS_SHA_256) {
    throw new AutosignError(
      'signature-invalid',
      `the key answered ${answer.length} bytes, an RSA_2048 signature has 256`,
    );
  }
  return answer;
}

function parse(manifest: NotationManifest): ParsedSignature {
  if (manifest.envelopeMediaType !== mediaTypes.jws) {
    throw notASignature(`its envelope is ${manifest.envelopeMediaType}, not a JWS`);
  }
  const envelope = readEnvelope(manifest.envelope);
  const { subject, binding } = readPayload(envelope.payload);
  if (subject.digest !== manifest.subject.digest || subject.mediaType !== manifest.subject.mediaType) {
    throw notASignature('its manifest refers to another image than its payload');
  }
  const { alg, signingTime, expiry } = readProtectedHeader(envelope.protectedHeader);
  const algorithm = algorithmOf(alg, envelope.certificateChain);
  if (envelope.signature.length !== signatureLengths[algorithm]) {
    throw notASignature(
      `the signature has ${envelope.signature.length} bytes, ${alg} needs ${signatureLengths[algorithm]}`,
    );
  }
  checkThumbprints(manifest.thumbprints, envelope.certificateChain);
  return {
    format: 'notation',
    subject,
    binding,
    algorithm,
    certificateChain: envelope.certificateChain,
    signingTime,
    expiry,
    isSignedBy: (publicKey) => isSigned(algorithm, envelope.signedBytes, envelope.signature, publicKey),
  };
}

function algorithmOf(alg: string, [leaf]: readonly Uint8Array[]): JwsAlgorithm['algorithm'] {
  let spec: ReturnType<typeof keySpecOf>;
  try {
    spec = leaf === undefined ? undefined : specOfCertificate(leaf);
  } catch (cause) {
    throw notASignature('its leaf certificate is malformed', cause);
  }
  const jws = jwsAlgorithmOf(spec);
  if (jws === undefined) throw notASignature('the key of its leaf certificate is neither RSA_2048 nor EC_P256');
  if (jws.name !== alg) throw notASignature(`its "alg" is ${alg}, the key of its leaf certificate demands ${jws.name}`);
  return jws.algorithm;
}

/** A list that shows other certificates than the envelope would hide the signature from verifiers that filter by it. */
function checkThumbprints(thumbprints: readonly string[] | undefined, chain: readonly Uint8Array[]): void {
  if (thumbprints === undefined) return;
  const expected = chain.map((certificate) => sha256Hex(certificate));
  if (thumbprints.join() !== expected.join()) {
    throw notASignature('the thumbprints in its manifest are not those of its certificates');
  }
}

function isSigned(
  algorithm: JwsAlgorithm['algorithm'],
  signedBytes: Uint8Array,
  signature: Uint8Array,
  publicKey: KeyObject,
): boolean {
  const jws = jwsAlgorithmOf(keySpecOf(publicKey));
  if (jws?.algorithm !== algorithm) return false;
  const key =
    algorithm === 'ECDSA_SHA_256'
      ? ({ key: publicKey, dsaEncoding: 'ieee-p1363' } as const)
      : // The salt is as long as the hash (RFC 7518, section 3.5); other verifiers than JWS ones insist on it.
        { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return verify('sha256', signedBytes, key, signature);
}
