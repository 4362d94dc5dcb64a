import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { parseJson } from './json.ts';

const anyDigestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

const IndexEntry = z.object({
  mediaType: z.string(),
  digest: z.string().regex(anyDigestPattern),
  size: z.number().int().nonnegative(),
  artifactType: z.string().nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
type IndexEntry = z.infer<typeof IndexEntry>;

const Index = z.object({ manifests: z.array(IndexEntry).nullable() });

/**
 * The descriptors of an image index that lists referrers (distribution-spec, "Listing Referrers"). Entries of other
 * digest algorithms than sha256 are left out: everything that we push or check is sha256.
 * @throws AutosignError `referrers-incomplete` when any entry is unreadable, so that nothing is overlooked
 */
export function readReferrersIndex(bytes: Uint8Array, about: string): readonly Descriptor[] {
  const parsed = Index.safeParse(parseJson(bytes));
  if (!parsed.success) {
    throw new AutosignError('referrers-incomplete', `${about}: the list of referrers cannot be read`, {
      cause: parsed.error,
    });
  }
  return (parsed.data.manifests ?? []).flatMap(toDescriptor);
}

function toDescriptor(entry: IndexEntry): readonly Descriptor[] {
  const { mediaType, digest, size, artifactType, annotations } = entry;
  if (!isDigest(digest)) return [];
  return [{ mediaType, digest, size, artifactType: artifactType ?? undefined, annotations: annotations ?? undefined }];
}
