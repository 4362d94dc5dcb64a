import { gzipSync } from 'node:zlib';
import type { Descriptor } from '../../src/domain/descriptor.ts';
import { type Digest, digestOf } from '../../src/domain/digest.ts';
import { mediaTypes } from '../../src/domain/media-types.ts';
import { pushBlob, putManifest, type UploadTarget } from './registry-upload.ts';
import { tarOf } from './tar.ts';

export type ImageKind = 'oci-manifest' | 'oci-index' | 'docker-manifest' | 'docker-manifest-list';

export const imageKinds: readonly ImageKind[] = [
  'oci-manifest',
  'oci-index',
  'docker-manifest',
  'docker-manifest-list',
];

export interface PushImageOptions extends UploadTarget {
  readonly tag: string;
  /** A single-platform image, or an index (manifest list) of one image each for linux/amd64 and linux/arm64. */
  readonly kind: ImageKind;
  /** Decides the content: same seed, same digest. Absent: the repository and the tag. */
  readonly seed?: string;
}

/** What was pushed, as a registry will give it back. */
export interface PushedImage {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Of the manifest, in bytes. */
  readonly size: number;
  readonly manifest: Uint8Array;
  /** The images of an index, in its order; empty for a single image. */
  readonly children: readonly Descriptor[];
}

/** Builds a small real image (a gzipped tar layer and an image config) and pushes it under `tag`. */
export async function pushImage(options: PushImageOptions): Promise<PushedImage> {
  const family = options.kind.startsWith('oci-') ? oci : docker;
  const seed = options.seed ?? `${options.repository}:${options.tag}`;
  if (options.kind === 'oci-manifest' || options.kind === 'docker-manifest') {
    const manifest = await buildManifest(options, family, seed, 'amd64');
    return await push(options, options.tag, family.manifest, manifest, []);
  }
  const children: (Descriptor & { platform: object })[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const manifest = await buildManifest(options, family, seed, architecture);
    const child = await push(options, digestOf(manifest), family.manifest, manifest, []);
    const { digest, mediaType, size } = child;
    children.push({ mediaType, digest, size, platform: { architecture, os: 'linux' } });
  }
  const index = json({ schemaVersion: 2, mediaType: family.index, manifests: children });
  return await push(options, options.tag, family.index, index, children);
}

interface Family {
  readonly manifest: string;
  readonly index: string;
  readonly config: string;
  readonly layer: string;
}

const oci: Family = {
  manifest: mediaTypes.ociManifest,
  index: mediaTypes.ociIndex,
  config: mediaTypes.ociImageConfig,
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

const docker: Family = {
  manifest: mediaTypes.dockerManifest,
  index: mediaTypes.dockerManifestList,
  config: mediaTypes.dockerImageConfig,
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

async function buildManifest(target: UploadTarget, family: Family, seed: string, architecture: string) {
  const tar = tarOf('etc/image-seed', Buffer.from(`${seed} ${architecture}\n`));
  const layer = gzipSync(tar);
  const config = json({
    // Fixed, so that one seed gives one digest.
    created: '2026-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'infra/images/push-image.ts' }],
  });
  await Promise.all([pushBlob(target, layer), pushBlob(target, config)]);
  return json({
    schemaVersion: 2,
    mediaType: family.manifest,
    config: { mediaType: family.config, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: family.layer, digest: digestOf(layer), size: layer.length }],
  });
}

async function push(
  target: UploadTarget,
  reference: string,
  mediaType: string,
  manifest: Uint8Array,
  children: readonly Descriptor[],
): Promise<PushedImage> {
  await putManifest(target, reference, mediaType, manifest);
  return { digest: digestOf(manifest), mediaType, size: manifest.length, manifest, children };
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
