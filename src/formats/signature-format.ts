import type { KeyObject } from 'node:crypto';
import type { Format, SigningAlgorithm } from '../domain/algorithm.ts';
import type { Descriptor } from '../domain/descriptor.ts';
import type { SignatureArtifact } from '../ports/signature-store.ts';

/** What a signature binds besides the digest. */
export type Binding =
  | { readonly mode: 'minimal' }
  /** `repository` is `<identityHost>/<namespace>/<repository>`. */
  | { readonly mode: 'default'; readonly repository: string; readonly tag: string };

export interface FormatRequest {
  /** The image: media type, digest and size as resolved. */
  readonly subject: Descriptor;
  readonly binding: Binding;
  readonly algorithm: SigningAlgorithm;
  /** DER, leaf first, root last. */
  readonly certificateChain: readonly Uint8Array[];
  readonly signingTime: Date;
}

/** A signature that lacks only the key's answer. */
export interface PreparedSignature {
  /** The bytes that the key signs. */
  readonly signedBytes: Uint8Array;
  /** @param signature as a Signer answers: RSA raw, ECDSA in DER */
  finish(signature: Uint8Array): SignatureArtifact;
}

/** A signature as found in a registry or a store: parsed, nothing believed yet. */
export interface ParsedSignature {
  readonly format: Format;
  /** Media type, digest and size that the signature names. */
  readonly subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
  /** Undefined when it binds something that none of our modes binds. */
  readonly binding: Binding | undefined;
  readonly algorithm: SigningAlgorithm;
  /** DER, leaf first; empty for formats without certificates. */
  readonly certificateChain: readonly Uint8Array[];
  /** Claimed by the signer, trusted by nobody. */
  readonly signingTime: Date | undefined;
  readonly expiry: Date | undefined;
  /** Whether the signature is the key's over exactly these bytes. */
  isSignedBy(publicKey: KeyObject): boolean;
}

/** One signature format: how it is built, recognised and parsed. */
export interface SignatureFormat {
  readonly name: Format;
  prepare(request: FormatRequest): PreparedSignature;
  /**
   * Whether a listed referrer may be a signature of this format made with one of these leaf certificates (DER), so
   * that it must be read; false only when it certainly is not.
   */
  mayBeOurs(referrer: Descriptor, leafCertificates: readonly Uint8Array[]): boolean;
  /** @throws AutosignError `manifest-invalid` for what is not a signature of this format */
  parse(artifact: SignatureArtifact): ParsedSignature;
}
