import { z } from 'zod';
import { digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import type { SignatureArtifact } from '../ports/signature-store.ts';

const ArtifactRecord = z.object({
  version: z.literal(1),
  mediaType: z.string(),
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
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
    artifactType: descriptor.artifactType,
    annotations: descriptor.annotations,
    manifest: Buffer.from(manifest).toString('base64'),
    blobs: blobs.map(({ mediaType, bytes }) => ({ mediaType, bytes: Buffer.from(bytes).toString('base64') })),
  } satisfies ArtifactRecord;
  return Buffer.from(JSON.stringify(record));
}

/**
 * Reads stored bytes back; every digest and size is computed anew, nothing stored is believed.
 * @throws AutosignError `intent-conflict`
 */
export function decodeArtifact(bytes: Uint8Array): SignatureArtifact {
  const record = parse(bytes);
  const manifest = Buffer.from(record.manifest, 'base64');
  return {
    descriptor: {
      mediaType: record.mediaType,
      digest: digestOf(manifest),
      size: manifest.length,
      artifactType: record.artifactType,
      annotations: record.annotations,
    },
    manifest,
    blobs: record.blobs.map((blob) => {
      const content = Buffer.from(blob.bytes, 'base64');
      return { mediaType: blob.mediaType, digest: digestOf(content), bytes: content };
    }),
  };
}

function parse(bytes: Uint8Array): ArtifactRecord {
  try {
    return ArtifactRecord.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new AutosignError('intent-conflict', 'A stored artifact in Redis cannot be read.', { cause });
  }
}
