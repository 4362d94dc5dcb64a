import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import type { Blob, ManifestArtifact } from '../../../src/ports/signature-store.ts';

/** A manifest with `subject`, an empty config and one layer that holds `text`: shaped like a signature, signed by nobody. */
export function signatureArtifact(subject: Descriptor, text: string): ManifestArtifact {
  const blob = (mediaType: string, content: string): Blob => {
    const bytes = Buffer.from(content);
    return { mediaType, digest: digestOf(bytes), bytes };
  };
  const blobs = [blob(mediaTypes.ociEmpty, '{}'), blob(mediaTypes.jws, text)];
  const [config, layer] = blobs.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, size: bytes.byteLength }));
  const artifactType = mediaTypes.notarySignature;
  const annotations = { 'org.example.text': text };
  const { mediaType, digest, size } = subject;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType,
      config,
      layers: [layer],
      subject: { mediaType, digest, size },
      annotations,
    }),
  );
  return {
    descriptor: {
      mediaType: mediaTypes.ociManifest,
      digest: digestOf(manifest),
      size: manifest.byteLength,
      artifactType,
      annotations,
    },
    manifest,
    blobs,
  };
}
