import { z } from 'zod';
import { version } from '../domain/version.ts';
import { decodeBase64, encodeBase64Url } from './base64.ts';
import { readJson } from './read-json.ts';

/** Leaf, intermediates and root; verifiers see three at most in practice. */
const certificatesMax = 10;

/** Flattened JWS (RFC 7515, section 7.2.2) and nothing beside it, as signature-envelope-jws.md says. */
const envelopeSchema = z.strictObject({
  payload: z.string(),
  protected: z.string(),
  header: z.looseObject({ x5c: z.array(z.string()).min(1).max(certificatesMax) }),
  signature: z.string(),
});

export interface JwsEnvelope {
  /** Decoded. */
  readonly payload: Uint8Array;
  readonly protectedHeader: Uint8Array;
  /** What the key signed: both parts as they were encoded. */
  readonly signedBytes: Uint8Array;
  /** DER, leaf first. */
  readonly certificateChain: readonly Uint8Array[];
  /** RSA raw; ECDSA r||s. */
  readonly signature: Uint8Array;
}

/** The signing input of RFC 7515, section 5.1. */
export function signingInput(protectedHeader: string, payload: string): Uint8Array {
  return new TextEncoder().encode(`${encodeBase64Url(protectedHeader)}.${encodeBase64Url(payload)}`);
}

/** @param signature RSA raw; ECDSA r||s, never DER */
export function buildEnvelope(
  protectedHeader: string,
  payload: string,
  certificateChain: readonly Uint8Array[],
  signature: Uint8Array,
): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({
      payload: encodeBase64Url(payload),
      protected: encodeBase64Url(protectedHeader),
      header: {
        // Standard base64, unlike everything else here (RFC 7515, section 4.1.6).
        x5c: certificateChain.map((certificate) => Buffer.from(certificate).toString('base64')),
        // For people; unsigned and trusted by nobody.
        'io.cncf.notary.signingAgent': `acr-autosign/${version}`,
      },
      signature: encodeBase64Url(signature),
    }),
  );
}

/** @throws AutosignError `manifest-invalid` */
export function readEnvelope(bytes: Uint8Array): JwsEnvelope {
  const envelope = readJson(bytes, 'envelope', envelopeSchema);
  return {
    payload: decodeBase64(envelope.payload, 'base64url', 'payload'),
    protectedHeader: decodeBase64(envelope.protected, 'base64url', 'protected header'),
    signedBytes: new TextEncoder().encode(`${envelope.protected}.${envelope.payload}`),
    certificateChain: envelope.header.x5c.map((text) => decodeBase64(text, 'base64', 'certificate in x5c')),
    signature: decodeBase64(envelope.signature, 'base64url', 'signature'),
  };
}
