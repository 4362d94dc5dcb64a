import { z } from 'zod';
import type { FetchedManifest } from '../domain/descriptor.ts';
import { type Digest, isDigest } from '../domain/digest.ts';
import { isAutosignError } from '../domain/errors.ts';
import { parseJson } from '../registry/json.ts';
import type { RegistryClient } from '../registry/registry-client.ts';

export interface ImageCreatedOptions {
  readonly client: Pick<RegistryClient, 'getManifest' | 'getBlob'>;
  readonly repository: string;
  readonly signal: AbortSignal;
}

const digest = z.custom<Digest>(isDigest);
const ImageManifest = z.object({ config: z.object({ digest, size: z.number().int().nonnegative() }) });
const ImageIndex = z.object({ manifests: z.array(z.object({ digest })) });
const ImageConfig = z.object({ created: z.iso.datetime({ offset: true }) });

// Real ones hold some kilobytes of history.
const configBytesMax = 1024 * 1024;
// More platforms than nearly all images have; the newest of them is close to the newest of all.
const childrenMax = 16;
/** Before the first release of Docker: builders write 0001 or 1970 for a time that they do not want to tell. */
const earliest = new Date('2013-01-01T00:00:00Z');

/**
 * When an image was built, by its own word (`created` of the config, image-spec, config.md "Properties"); of an index,
 * the newest of its images. Undefined when it tells no time, or one that cannot be true.
 * @throws AutosignError `registry-*`, `digest-mismatch`
 */
export async function imageCreated(manifest: FetchedManifest, options: ImageCreatedOptions): Promise<Date | undefined> {
  const body = parseJson(manifest.bytes);
  const image = ImageManifest.safeParse(body);
  if (image.success) return await createdOf(image.data.config, options);
  const index = ImageIndex.safeParse(body);
  const times: Date[] = [];
  for (const child of index.success ? index.data.manifests.slice(0, childrenMax) : []) {
    const created = await createdOfChild(child.digest, options);
    if (created !== undefined) times.push(created);
  }
  return times.sort((one, other) => other.getTime() - one.getTime())[0];
}

async function createdOfChild(child: Digest, options: ImageCreatedOptions): Promise<Date | undefined> {
  const { client, repository, signal } = options;
  const manifest = await orUntold(client.getManifest(repository, child, { signal }));
  const image = ImageManifest.safeParse(manifest && parseJson(manifest.bytes));
  return image.success ? await createdOf(image.data.config, options) : undefined;
}

async function createdOf(
  config: { readonly digest: Digest; readonly size: number },
  { client, repository, signal }: ImageCreatedOptions,
): Promise<Date | undefined> {
  const bytes = await orUntold(client.getBlob(repository, config, configBytesMax, { signal }));
  const parsed = ImageConfig.safeParse(bytes && parseJson(bytes));
  const created = parsed.success ? new Date(parsed.data.created) : undefined;
  return created !== undefined && created >= earliest ? created : undefined;
}

/** What is gone, too large or no manifest tells nothing; that the registry does not answer is another matter. */
async function orUntold<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isAutosignError(error, 'not-found', 'too-large', 'manifest-invalid')) return undefined;
    throw error;
  }
}
