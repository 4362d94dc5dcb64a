import type { Digest } from '../../domain/digest.ts';
import { cosignTagOf } from '../../registry/cosign-tag.ts';
import { fallbackTag, readFallbackIndex } from '../../registry/fallback-index.ts';
import type { RegistryClient } from '../../registry/registry-client.ts';
import { registryLimits } from '../../registry/registry-limits.ts';
import type { SeenListing } from './observed.ts';

/** Each way in which signatures of an image may be listed, looked at by itself. Throws as the registry client. */
export async function lookAtListing(client: RegistryClient, repository: string, image: Digest): Promise<SeenListing> {
  const api = await client.getReferrers(repository, image);
  const fallback = await readFallbackIndex(client, repository, image, registryLimits);
  return {
    byApi: api.supported ? api.referrers.map(({ digest }) => digest) : undefined,
    byFallbackTag: fallback.document === undefined ? undefined : fallback.referrers.map(({ digest }) => digest),
    byCosignTag: (await client.headManifest(repository, cosignTagOf(image))) !== undefined,
  };
}

/** The manifests of an image's signatures and of the lists of them, whoever pushed them. */
export async function listSignatures(
  client: RegistryClient,
  repository: string,
  image: Digest,
): Promise<readonly Digest[]> {
  const { byApi, byFallbackTag } = await lookAtListing(client, repository, image);
  const tags = [fallbackTag(image), cosignTagOf(image)];
  const lists = await Promise.all(tags.map((tag) => client.headManifest(repository, tag)));
  return [...(byApi ?? []), ...(byFallbackTag ?? []), ...lists.filter((digest) => digest !== undefined)];
}
