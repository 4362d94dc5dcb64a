import { gzipSync } from 'node:zlib';
import type { Descriptor } from '../../domain/descriptor.ts';
import { digestOf } from '../../domain/digest.ts';
import { mediaTypes } from '../../domain/media-types.ts';
import type { Blob } from '../../ports/signature-store.ts';

/** An image that holds nothing, and no other image has the digest of. */
export interface ScratchImage {
  readonly descriptor: Descriptor;
  readonly manifest: Uint8Array;
  readonly blobs: readonly Blob[];
}

/** An archive without files: two blocks of zeros (POSIX, "pax"). */
const emptyTar = new Uint8Array(1_024);
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** @param name becomes a label of the image, and so makes its digest its own */
export function buildScratchImage(name: string): ScratchImage {
  const layer = blobOf(layerType, gzipSync(emptyTar));
  const config = blobOf(mediaTypes.ociImageConfig, {
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { 'autosign.doctor': name } },
    rootfs: { type: 'layers', diff_ids: [digestOf(emptyTar)] },
    history: [{ created_by: 'autosign doctor --live' }],
  });
  const manifest = blobOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptorOf(config),
    layers: [descriptorOf(layer)],
  });
  return { descriptor: descriptorOf(manifest), manifest: manifest.bytes, blobs: [config, layer] };
}

function blobOf(mediaType: string, content: object): Blob {
  const bytes = content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content));
  return { mediaType, digest: digestOf(bytes), bytes };
}

function descriptorOf({ mediaType, digest, bytes }: Blob): Descriptor {
  return { mediaType, digest, size: bytes.byteLength };
}
