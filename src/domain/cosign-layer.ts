import type { Descriptor } from './descriptor.ts';

/** Annotations of a layer that holds what cosign signs (sigstore/cosign, specs/SIGNATURE_SPEC.md). */
export const cosignAnnotations = {
  /** Standard base64. */
  signature: 'dev.cosignproject.cosign/signature',
  /** PEM; signatures by a plain key have none. */
  certificate: 'dev.sigstore.cosign/certificate',
} as const;

/**
 * Whether two listed descriptors stand for the same signature. Layers under cosign's tag may hold the same payload with
 * signatures by several keys, and ECDSA signs the same payload differently each time; manifests have no such annotation.
 */
export function isSameSignature(one: Descriptor, other: Descriptor): boolean {
  const { signature } = cosignAnnotations;
  return one.digest === other.digest && one.annotations?.[signature] === other.annotations?.[signature];
}
