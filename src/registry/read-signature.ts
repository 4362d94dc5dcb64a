import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { type Digest, isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { Blob, ManifestArtifact } from '../ports/signature-store.ts';
import { parseJson } from './json.ts';
import type { RegistryClient } from './registry-client.ts';

export interface SignatureLimits {
  readonly envelopeBytesMax: number;
  readonly layersMax: number;
}

const Layer = z.object({
  mediaType: z.string(),
  digest: z.custom<Digest>(isDigest),
  size: z.number().int().nonnegative(),
});

const SignatureManifest = z.object({
  artifactType: z.string().nullish(),
  config: z.object({ mediaType: z.string() }),
  layers: z.array(Layer),
  annotations: z.record(z.string(), z.string()).nullish(),
});
type SignatureManifest = z.infer<typeof SignatureManifest>;

/** See SignatureStore.read. What the list of referrers said of type and annotations is not believed. */
export async function readSignature(
  client: RegistryClient,
  repository: string,
  referrer: Descriptor,
  limits: SignatureLimits,
): Promise<ManifestArtifact> {
  const about = `${client.host}/${repository}@${referrer.digest}`;
  const { descriptor, bytes } = await client.getManifest(repository, referrer.digest);
  const manifest = parseManifest(descriptor, bytes, about);
  if (manifest.layers.length > limits.layersMax) {
    throw new AutosignError('too-large', `${about}: ${manifest.layers.length} layers, more than ${limits.layersMax}`);
  }
  const blobs: Blob[] = [];
  for (const { mediaType, digest, size } of manifest.layers) {
    const bytes = await client.getBlob(repository, { digest, size }, limits.envelopeBytesMax);
    blobs.push({ mediaType, digest, bytes });
  }
  const artifactType = manifest.artifactType ?? manifest.config.mediaType;
  return {
    descriptor: { ...descriptor, artifactType, annotations: manifest.annotations ?? undefined },
    manifest: bytes,
    blobs,
  };
}

function parseManifest(descriptor: Descriptor, bytes: Uint8Array, about: string): SignatureManifest {
  const parsed = SignatureManifest.safeParse(parseJson(bytes));
  if (descriptor.mediaType === mediaTypes.ociManifest && parsed.success) return parsed.data;
  throw new AutosignError('manifest-invalid', `${about} is no readable OCI manifest (${descriptor.mediaType})`, {
    cause: parsed.error,
  });
}
