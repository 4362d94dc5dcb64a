import { z } from 'zod';
import { digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import type { SignatureArtifact } from '../ports/signature-store.ts';

const ArtifactRecord = z.object({
  version: z.literal(1),
  mediaType: z.string(),
  /** Standard base64. */
  manifest: z.base64(),
  blobs: z.array(z.object({ mediaType: z.string(), bytes: z.base64() })).max(10),
});
type ArtifactRecord = z.infer<typeof ArtifactRecord>;

/** The bytes under which a finished artifact is stored: JSON with the manifest and its blobs in base64. */
export function encodeArtifact({ descriptor, manifest, blobs }: SignatureArtifact): Uint8Array {
  const record = {
    version: 1,
    mediaType: descriptor.mediaType,
    manifest: Buffer.from(manifest).toString('base64'),
    blobs: blobs.map(({ mediaType, bytes }) => ({ mediaType, bytes: Buffer.from(bytes).toString('base64') })),
  } satisfies ArtifactRecord;
  return Buffer.from(JSON.stringify(record));
}

// What a list of referrers shows of a manifest (distribution-spec, "Pushing Manifests with Subject").
const ListedFields = z.object({
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

/**
 * Reads stored bytes back; digests, sizes and what a referrers list will show are taken from the bytes themselves.
 * @throws AutosignError `intent-conflict`
 */
export function decodeArtifact(bytes: Uint8Array): SignatureArtifact {
  const record = parse(bytes, ArtifactRecord);
  const manifest = Buffer.from(record.manifest, 'base64');
  const listed = parse(manifest, ListedFields);
  return {
    descriptor: {
      mediaType: record.mediaType,
      digest: digestOf(manifest),
      size: manifest.length,
      ...listed,
    },
    manifest,
    blobs: record.blobs.map((blob) => {
      const content = Buffer.from(blob.bytes, 'base64');
      return { mediaType: blob.mediaType, digest: digestOf(content), bytes: content };
    }),
  };
}

function parse<T>(bytes: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new AutosignError('intent-conflict', 'A stored artifact in Redis cannot be read. Delete it there.', {
      cause,
    });
  }
}
