import { z } from 'zod';
import { digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import type { LayerArtifact, ManifestArtifact, SignatureArtifact } from '../ports/signature-store.ts';

// Bytes are standard base64.
const ManifestRecord = z.object({
  version: z.literal(1),
  mediaType: z.string(),
  manifest: z.base64(),
  blobs: z.array(z.object({ mediaType: z.string(), bytes: z.base64() })).max(10),
});
const LayerRecord = z.object({
  version: z.literal(1),
  mediaType: z.string(),
  annotations: z.record(z.string(), z.string()),
  layer: z.base64(),
});
const ArtifactRecord = z.union([ManifestRecord, LayerRecord]);
type ArtifactRecord = z.infer<typeof ArtifactRecord>;

/** The bytes under which a finished artifact is stored: JSON with the manifest and its blobs, or the layer, in base64. */
export function encodeArtifact(artifact: SignatureArtifact): Uint8Array {
  return Buffer.from(JSON.stringify(recordOf(artifact)));
}

function recordOf({ descriptor, manifest, blobs }: SignatureArtifact): ArtifactRecord {
  const { mediaType, annotations = {} } = descriptor;
  if (manifest === undefined) return { version: 1, mediaType, annotations, layer: encode(blobs[0].bytes) };
  return {
    version: 1,
    mediaType,
    manifest: encode(manifest),
    blobs: blobs.map((blob) => ({ mediaType: blob.mediaType, bytes: encode(blob.bytes) })),
  };
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
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
  return 'layer' in record ? decodeLayer(record) : decodeManifest(record);
}

function decodeLayer({ mediaType, annotations, layer }: z.infer<typeof LayerRecord>): LayerArtifact {
  const bytes = Buffer.from(layer, 'base64');
  const digest = digestOf(bytes);
  return {
    descriptor: { mediaType, digest, size: bytes.length, annotations },
    blobs: [{ mediaType, digest, bytes }],
  };
}

function decodeManifest(record: z.infer<typeof ManifestRecord>): ManifestArtifact {
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
