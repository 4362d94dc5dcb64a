import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { digestOf, sha256Hex } from '../domain/digest.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { Blob, ManifestArtifact, SignatureArtifact } from '../ports/signature-store.ts';
import { descriptorSchema } from './descriptor-schema.ts';
import { notASignature, readJson } from './read-json.ts';
import { formatTime } from './rfc3339.ts';

const thumbprintKey = 'io.cncf.notary.x509chain.thumbprint#S256';
const createdKey = 'org.opencontainers.image.created';

/** The limit of notation and of registries for a manifest. */
const manifestBytesMax = 4 * 1024 * 1024;
/** An envelope is its certificates and some hundred bytes; ours has about 3 kB. */
const envelopeBytesMax = 1024 * 1024;

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.literal(mediaTypes.ociManifest),
  artifactType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).length(1, 'a signature has exactly one layer, its envelope'),
  subject: descriptorSchema,
  annotations: z.record(z.string(), z.string()).nullish(),
});

const thumbprintsSchema = z.array(z.string());

export interface NotationManifestContent {
  readonly subject: Descriptor;
  readonly envelope: Uint8Array;
  readonly envelopeMediaType: string;
  /** DER, leaf first. */
  readonly certificateChain: readonly Uint8Array[];
  readonly signingTime: Date;
}

/** The artifact around an envelope (notaryproject/specifications, signature-specification.md, "OCI Signatures"). */
export function buildNotationArtifact(content: NotationManifestContent): ManifestArtifact {
  const config = blobOf(mediaTypes.ociEmpty, new TextEncoder().encode('{}'));
  const envelope = blobOf(content.envelopeMediaType, content.envelope);
  const { mediaType, digest, size } = content.subject;
  const annotations = {
    [thumbprintKey]: JSON.stringify(content.certificateChain.map((certificate) => sha256Hex(certificate))),
    [createdKey]: formatTime(content.signingTime),
  };
  const manifest = new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: mediaTypes.notarySignature,
      config: { ...describe(config), data: Buffer.from(config.bytes).toString('base64') },
      layers: [describe(envelope)],
      subject: { mediaType, digest, size },
      annotations,
    }),
  );
  return {
    descriptor: {
      mediaType: mediaTypes.ociManifest,
      digest: digestOf(manifest),
      size: manifest.length,
      artifactType: mediaTypes.notarySignature,
      annotations,
    },
    manifest,
    blobs: [config, envelope],
  };
}

export interface NotationManifest {
  readonly subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
  readonly envelopeMediaType: string;
  readonly envelope: Uint8Array;
  /** SHA-256 of each certificate in lower-case hex; undefined when the manifest does not say. */
  readonly thumbprints: readonly string[] | undefined;
}

/**
 * Reads the manifest and takes the envelope out of the blobs; every digest and size is computed again, as the bytes
 * may come from a store that others write to.
 * @throws AutosignError `manifest-invalid`
 */
export function readNotationArtifact({ descriptor, manifest, blobs }: SignatureArtifact): NotationManifest {
  if (manifest === undefined) throw notASignature('it is a layer without a manifest of its own');
  if (manifest.length > manifestBytesMax) throw notASignature(`its manifest is larger than ${manifestBytesMax} bytes`);
  if (descriptor.digest !== digestOf(manifest) || descriptor.size !== manifest.length) {
    throw notASignature('its manifest is not the one that the descriptor names');
  }
  const { artifactType, config, layers, subject, annotations } = readJson(manifest, 'manifest', manifestSchema);
  // Registries that know no artifactType are served with the type as the config's (image-spec 1.0).
  const type = artifactType === undefined || artifactType === '' ? config.mediaType : artifactType;
  if (type !== mediaTypes.notarySignature) throw notASignature(`its type is ${type}`);
  for (const blob of blobs) {
    const named = [config, ...layers].find(({ digest }) => digest === blob.digest);
    if (named === undefined) throw notASignature('it comes with a blob that its manifest does not name');
    if (digestOf(blob.bytes) !== named.digest || blob.bytes.length !== named.size) {
      throw notASignature(`the content of its blob ${named.digest} has another digest or size`);
    }
  }
  const [layer] = layers;
  const envelope = blobs.find(({ digest }) => digest === layer?.digest);
  if (layer === undefined || envelope === undefined) throw notASignature('its envelope is missing');
  if (envelope.bytes.length > envelopeBytesMax)
    throw notASignature(`its envelope is larger than ${envelopeBytesMax} bytes`);
  const thumbprints = annotations?.[thumbprintKey];
  return {
    subject,
    envelopeMediaType: layer.mediaType,
    envelope: envelope.bytes,
    thumbprints: thumbprints === undefined ? undefined : readThumbprints(thumbprints),
  };
}

/**
 * Whether a listed referrer may be a Notary Project signature whose leaf certificate is one of these (DER). Registries
 * may show the config's type as the artifactType, and may leave out annotations; then only the manifest tells.
 */
export function mayBeNotationSignature(referrer: Descriptor, leafCertificates: readonly Uint8Array[]): boolean {
  const types: readonly (string | undefined)[] = [undefined, '', mediaTypes.notarySignature, mediaTypes.ociEmpty];
  if (referrer.mediaType !== mediaTypes.ociManifest || !types.includes(referrer.artifactType)) return false;
  const annotation = referrer.annotations?.[thumbprintKey];
  if (annotation === undefined) return true;
  const [leaf] = readThumbprints(annotation);
  return leafCertificates.some((certificate) => sha256Hex(certificate) === leaf);
}

/** The annotation holds a JSON array as text; the specification shows upper-case hex, notation writes lower-case. */
function readThumbprints(annotation: string): readonly string[] {
  try {
    return thumbprintsSchema.parse(JSON.parse(annotation)).map((thumbprint) => thumbprint.toLowerCase());
  } catch {
    // What cannot be read names no certificate, ours included.
    return [];
  }
}

function blobOf(mediaType: string, bytes: Uint8Array): Blob {
  return { mediaType, digest: digestOf(bytes), bytes };
}

function describe({ mediaType, digest, bytes }: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: bytes.length };
}
