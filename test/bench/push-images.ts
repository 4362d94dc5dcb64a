import { pushImage } from '../../infra/images/push-image.ts';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { digestOf } from '../../src/domain/digest.ts';
import { sideBySide } from './side-by-side.ts';

/** One tag with an image of its own. */
export interface BenchImage {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

export interface ImagePusherOptions {
  /** `127.0.0.1:PORT`, without login. */
  readonly host: string;
  /** Begins the names of the repositories, below `prod/`. */
  readonly name: string;
  readonly repositories: number;
}

export interface PushImagesOptions extends ImagePusherOptions {
  readonly images: number;
  /** Number in the name of the first tag. */
  readonly firstTag?: number;
}

/** Pushes the image of this number, under the tag `v<number>`; the repositories take turns. */
export type PushNumbered = (number: number) => Promise<BenchImage>;

const atOnce = 16;
// The rules leave it out (test/chaos/rules-text.ts).
const unwantedTag = 'unwanted';

/**
 * Prepares the repositories. The images of one share layer and config and differ in an annotation, so that each has a
 * digest of its own and is pushed by one request.
 */
export async function createImagePusher({ host, name, repositories }: ImagePusherOptions): Promise<PushNumbered> {
  const names = Array.from({ length: repositories }, (_, index) => `prod/${name}-${index}`);
  const bases = await sideBySide(names, atOnce, async (repository) => {
    const { manifest, mediaType } = await pushImage({ host, repository, tag: unwantedTag, kind: 'oci-manifest' });
    return { repository, mediaType, content: JSON.parse(Buffer.from(manifest).toString('utf8')) as object };
  });
  return async (number) => {
    const base = bases[number % bases.length];
    if (base === undefined) throw new Error('there is no repository');
    const { repository, mediaType, content } = base;
    const tag = `v${number}`;
    const annotations = { 'org.opencontainers.image.version': tag };
    const bytes = Buffer.from(JSON.stringify({ ...content, annotations }));
    await putManifest({ host, repository }, tag, mediaType, bytes);
    return { repository, tag, digest: digestOf(bytes) };
  };
}

/** Pushes images, spread evenly over the repositories. */
export async function pushImages(options: PushImagesOptions): Promise<readonly BenchImage[]> {
  const { images, firstTag = 0 } = options;
  const push = await createImagePusher({ ...options, repositories: Math.min(options.repositories, images) });
  const numbers = Array.from({ length: images }, (_, index) => firstTag + index);
  return await sideBySide(numbers, atOnce, push);
}
