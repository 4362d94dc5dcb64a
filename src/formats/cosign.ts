import { constants, type KeyObject, verify } from 'node:crypto';
import { cosignAnnotations } from '../domain/cosign-layer.ts';
import type { Descriptor } from '../domain/descriptor.ts';
import { digestOf } from '../domain/digest.ts';
import { mediaTypes } from '../domain/media-types.ts';
import { keySpecOf } from '../keys/key-spec.ts';
import type { LayerArtifact, SignatureArtifact } from '../ports/signature-store.ts';
import { decodeBase64 } from './base64.ts';
import { buildCosignPayload, readCosignPayload } from './cosign-payload.ts';
import { notASignature } from './read-json.ts';
import type {
  FormatRequest,
  ParsedSignature,
  PreparedSignature,
  SignatureFormat,
  SoughtSignature,
} from './signature-format.ts';

/**
 * Signatures as `cosign sign --key` leaves them under the tag `sha256-<hex>.sig` (sigstore/cosign,
 * specs/SIGNATURE_SPEC.md): RSA as PKCS #1 v1.5 and ECDSA in DER, both over SHA-256. They carry no certificate and no
 * time: the public key alone tells whose they are.
 */
export const cosign = {
  name: 'cosign',
  place: 'cosign-tag',
  prepare,
  mayBeOurs,
  parse,
} satisfies SignatureFormat;

function prepare({ subject, binding }: FormatRequest): PreparedSignature<LayerArtifact> {
  const payload = buildCosignPayload(subject.digest, binding);
  const digest = digestOf(payload);
  const mediaType = mediaTypes.cosignSimpleSigning;
  return {
    signedBytes: payload,
    finish: (signature) => {
      const annotations = { [cosignAnnotations.signature]: Buffer.from(signature).toString('base64') };
      return {
        descriptor: { mediaType, digest, size: payload.length, annotations },
        blobs: [{ mediaType, digest, bytes: payload }],
      };
    },
  };
}

/** Our payload has the same bytes at any time, so its digest tells; a layer with a certificate is somebody else's. */
function mayBeOurs(
  { mediaType, digest, annotations = {} }: Descriptor,
  { subject, binding }: SoughtSignature,
): boolean {
  return (
    mediaType === mediaTypes.cosignSimpleSigning &&
    digest === digestOf(buildCosignPayload(subject.digest, binding)) &&
    annotations[cosignAnnotations.signature] !== undefined &&
    annotations[cosignAnnotations.certificate] === undefined
  );
}

function parse(artifact: SignatureArtifact): ParsedSignature {
  if (artifact.manifest !== undefined) throw notASignature('it is a manifest of its own, not a layer');
  const { descriptor, blobs } = artifact;
  const [{ bytes }] = blobs;
  // Verifiers but cosign itself pass over layers of other types.
  if (descriptor.mediaType !== mediaTypes.cosignSimpleSigning)
    throw notASignature(`its type is ${descriptor.mediaType}`);
  // Computed again, as the bytes may come from a store that others write to.
  if (digestOf(bytes) !== descriptor.digest || bytes.length !== descriptor.size) {
    throw notASignature('its payload is not the one that its descriptor names');
  }
  const text = descriptor.annotations?.[cosignAnnotations.signature];
  if (text === undefined) throw notASignature(`it has no annotation ${cosignAnnotations.signature}`);
  const signature = decodeBase64(text, 'base64', 'signature');
  const { digest, binding } = readCosignPayload(bytes);
  return {
    format: 'cosign',
    subject: { digest },
    binding,
    algorithm: undefined,
    certificateChain: [],
    signingTime: undefined,
    expiry: undefined,
    isSignedBy: (publicKey) => isSigned(bytes, signature, publicKey),
  };
}

/** By the one algorithm that cosign takes for such a key (sigstore/sigstore, pkg/signature, LoadVerifier). */
function isSigned(payload: Uint8Array, signature: Uint8Array, publicKey: KeyObject): boolean {
  if (keySpecOf(publicKey) === undefined) return false;
  const key =
    publicKey.asymmetricKeyType === 'ec'
      ? ({ key: publicKey, dsaEncoding: 'der' } as const)
      : { key: publicKey, padding: constants.RSA_PKCS1_PADDING };
  return verify('sha256', payload, key, signature);
}
