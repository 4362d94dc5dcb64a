import type { KeyObject } from 'node:crypto';
import type { Format, SigningAlgorithm } from '../domain/algorithm.ts';
import type { Descriptor } from '../domain/descriptor.ts';
import type { SignatureArtifact, SignaturePlace } from '../ports/signature-store.ts';

/** What a signature binds besides the digest; `repository` is `<identityHost>/<namespace>/<repository>`. */
export type Binding =
  /** cosign names the repository in this mode too; the Notary Project does not. */
  | { readonly mode: 'minimal'; readonly repository?: string | undefined }
  | { readonly mode: 'default'; readonly repository: string; readonly tag: string };

export interface FormatRequest {
  /** The image: media type, digest and size as resolved. */
  readonly subject: Descriptor;
  readonly binding: Binding;
  readonly algorithm: SigningAlgorithm;
  /** DER, leaf first, root last; empty for formats without certificates. */
  readonly certificateChain: readonly Uint8Array[];
  readonly signingTime: Date;
}

/** A signature that lacks only the key's answer. */
export interface PreparedSignature<Artifact extends SignatureArtifact = SignatureArtifact> {
  /** The bytes that the key signs. */
  readonly signedBytes: Uint8Array;
  /** @param signature as a Signer answers: RSA raw, ECDSA in DER */
  finish(signature: Uint8Array): Artifact;
}

/** The signature that is looked for among those that are listed. */
export interface SoughtSignature {
  readonly subject: Descriptor;
  readonly binding: Binding;
  /** DER, of every trusted version; none for formats without certificates. */
  readonly leafCertificates: readonly Uint8Array[];
}

/** A signature as found in a registry or a store: parsed, nothing believed yet. */
export interface ParsedSignature {
  readonly format: Format;
  /** Digest, and where the format has them media type and size, that the signature names. */
  readonly subject: Pick<Descriptor, 'digest'> & Partial<Pick<Descriptor, 'mediaType' | 'size'>>;
  /** Undefined when it binds something that none of our modes binds. */
  readonly binding: Binding | undefined;
  /** Undefined where the format leaves it to the key. */
  readonly algorithm: SigningAlgorithm | undefined;
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
  readonly place: SignaturePlace;
  prepare(request: FormatRequest): PreparedSignature;
  /** Whether what is listed may be the signature sought, so that it must be read; false only when it certainly is not. */
  mayBeOurs(listed: Descriptor, sought: SoughtSignature): boolean;
  /** @throws AutosignError `manifest-invalid` for what is not a signature of this format */
  parse(artifact: SignatureArtifact): ParsedSignature;
}
