import type { Digest } from './digest.ts';

/** An OCI content descriptor (image-spec, descriptor.md); `size` in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** A manifest as a registry gave it: the exact bytes, and a descriptor whose digest and size were computed from them. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}
