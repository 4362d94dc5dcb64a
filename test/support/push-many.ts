import { pushBlob, putManifest } from '../../infra/images/registry-upload.ts';
import { type Digest, digestOf } from '../../src/domain/digest.ts';
import { mediaTypes } from '../../src/domain/media-types.ts';

export interface ManyImages {
  /** A registry whose repositories share their blobs, as that of `startReferrersRegistry` does. */
  readonly host: string;
  /** `repository:tag` */
  readonly names: readonly string[];
}

const requestsAtOnce = 16;
const ociManifest = mediaTypes.ociManifest;

/**
 * Pushes an image of its own digest under each name, with one request each: they share one config and have no layers.
 * @returns the digests by name
 */
export async function pushMany({ host, names }: ManyImages): Promise<ReadonlyMap<string, Digest>> {
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
  );
  await pushBlob({ host, repository: partsOf(names[0] ?? '').repository }, config);
  const digests = new Map<string, Digest>();
  await inParallel(names, requestsAtOnce, async (name) => {
    const { repository, tag } = partsOf(name);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: ociManifest,
        config: { mediaType: mediaTypes.ociImageConfig, digest: digestOf(config), size: config.length },
        layers: [],
        annotations: { 'org.example.seed': name },
      }),
    );
    await putManifest({ host, repository }, tag, ociManifest, manifest);
    digests.set(name, digestOf(manifest));
  });
  return digests;
}

/** Does `work` for each item, `size` of them at a time. */
export async function inParallel<T>(items: Iterable<T>, size: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items].reverse();
  const next = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: size }, next));
}

/** Repository and tag of `repository:tag`. */
export function partsOf(name: string): { readonly repository: string; readonly tag: string } {
  const colon = name.lastIndexOf(':');
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}
