import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { isDigest } from '../domain/digest.ts';

const anyDigestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** An entry of a list that others write too: of an index, or a layer of cosign's tag. */
export const ListedEntry = z.object({
  mediaType: z.string(),
  digest: z.string().regex(anyDigestPattern),
  size: z.number().int().nonnegative(),
  artifactType: z.string().nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
type ListedEntry = z.infer<typeof ListedEntry>;

/** Entries of other digest algorithms than sha256 are left out: everything that we push or check is sha256. */
export function toDescriptors(entries: readonly ListedEntry[]): readonly Descriptor[] {
  return entries.flatMap(({ mediaType, digest, size, artifactType, annotations }) =>
    isDigest(digest)
      ? [{ mediaType, digest, size, artifactType: artifactType ?? undefined, annotations: annotations ?? undefined }]
      : [],
  );
}
