import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';

export interface Blob {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** What is pushed back: an OCI manifest that refers to the image, and the blobs it needs. */
export interface SignatureArtifact {
  /** The manifest's own descriptor, with `artifactType` and `annotations` as a referrers list shows them. */
  readonly descriptor: Descriptor;
  readonly manifest: Uint8Array;
  /** The config first, then the layers. */
  readonly blobs: readonly Blob[];
}

/** The signatures of one registry. */
export interface SignatureStore {
  /**
   * Every referrer of `subject`, complete, by the route a verifier takes: the referrers API, or the fallback tag.
   * @throws AutosignError `referrers-incomplete` when the listing is cut off, too long or unreadable; `registry-*`
   */
  list(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
  /**
   * The manifest of a referrer and its layers, all digests checked. The config blob is not read.
   * @throws AutosignError `not-found`, `too-large`, `digest-mismatch`, `manifest-invalid`, `registry-*`
   */
  read(repository: string, referrer: Descriptor): Promise<SignatureArtifact>;
  /**
   * Pushes blobs, then the manifest by digest; where the registry has no referrers API, enters it in the fallback
   * index under the lock of the subject. Pushing the same artifact again changes nothing.
   * @returns what `list` would give now, where the push has read it after its last write; else undefined
   */
  push(
    repository: string,
    subject: Descriptor,
    artifact: SignatureArtifact,
  ): Promise<readonly Descriptor[] | undefined>;
}
