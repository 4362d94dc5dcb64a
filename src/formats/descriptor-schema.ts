import { z } from 'zod';
import { type Digest, isDigest } from '../domain/digest.ts';

export const digestSchema = z.custom<Digest>(isDigest, 'expected sha256: and 64 lower-case hex digits');

/** A content descriptor (OCI image-spec, descriptor.md) in a manifest that others wrote; further properties are kept out. */
export const descriptorSchema = z.object({
  mediaType: z.string().min(1),
  digest: digestSchema,
  size: z.int().nonnegative(),
});
