import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';

export interface Blob {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** What is pushed back. */
export type SignatureArtifact = ManifestArtifact | LayerArtifact;

/** An OCI manifest that refers to the image, and the blobs it needs. */
export interface ManifestArtifact {
  /** The manifest's own descriptor, with `artifactType` and `annotations` as a referrers list shows them. */
  readonly descriptor: Descriptor;
  readonly manifest: Uint8Array;
  /** The config first, then the layers. */
  readonly blobs: readonly Blob[];
}

/** One layer of a manifest that an image's signatures share, as those of cosign do. */
export interface LayerArtifact {
  /** The layer's own; the signature is among its annotations. */
  readonly descriptor: Descriptor;
  readonly manifest?: undefined;
  /** The layer's content. */
  readonly blobs: readonly [Blob];
}

/** Where signatures of an image are listed: among its referrers, or as layers under its tag `sha256-<hex>.sig`. */
export type SignaturePlace = 'referrers' | 'cosign-tag';

/** All signatures of one registry. */
export type SignatureStores = Readonly<Record<SignaturePlace, SignatureStore>>;

/** The signatures of one registry in one place. */
export interface SignatureStore {
  /**
   * Everything that the place lists for `subject`, complete, by the route a verifier takes: the referrers API, or the
   * fallback tag; or the tag of cosign.
   * @throws AutosignError `referrers-incomplete` when the listing is cut off, too long or unreadable; `registry-*`
   */
  list(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
  /**
   * The manifest of a referrer and its layers, or the content of one layer, all digests checked. The config blob is
   * not read.
   * @throws AutosignError `not-found`, `too-large`, `digest-mismatch`, `manifest-invalid`, `registry-*`
   */
  read(repository: string, listed: Descriptor): Promise<SignatureArtifact>;
  /**
   * Pushes blobs, then the manifest by digest; where the registry has no referrers API, enters it in the fallback
   * index under the lock of the subject. A layer is entered in the manifest of cosign's tag likewise. Pushing the same
   * artifact again changes nothing.
   * @returns what `list` would give now, where the push has read it after its last write; else undefined
   */
  push(
    repository: string,
    subject: Descriptor,
    artifact: SignatureArtifact,
  ): Promise<readonly Descriptor[] | undefined>;
  /**
   * Takes entries out of the fallback index whose signature is not there any more, looked at once more under the lock:
   * a verifier gives up at such an entry.
   * @throws AutosignError `referrers-incomplete` when the registry's own list names one; `lock-lost`, `registry-*`
   */
  forget(repository: string, subject: Digest, gone: readonly Descriptor[]): Promise<void>;
}
