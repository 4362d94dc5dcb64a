import { digestOf } from '../../src/domain/digest.ts';
import type { ManifestArtifact } from '../../src/ports/signature-store.ts';

/** Where one byte of a signature as the registry holds it is changed. */
export type Tampering = 'signature' | "payload's digest" | "metadata's tag";

/** The artifact with one byte of its envelope changed; the digests outside are those of the changed bytes, so that only a verifier can notice. */
export function tamperedArtifact(artifact: ManifestArtifact, tampering: Tampering): ManifestArtifact {
  const [config, layer] = artifact.blobs;
  if (config === undefined || layer === undefined) throw new Error('a notation signature has a config and a layer');
  const envelope = JSON.parse(Buffer.from(layer.bytes).toString());
  const bytes = Buffer.from(JSON.stringify(changedEnvelope(envelope, tampering)));
  const manifest = JSON.parse(Buffer.from(artifact.manifest).toString());
  manifest.layers[0] = { ...manifest.layers[0], digest: digestOf(bytes), size: bytes.length };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  return {
    descriptor: { ...artifact.descriptor, digest: digestOf(manifestBytes), size: manifestBytes.length },
    manifest: manifestBytes,
    blobs: [config, { ...layer, bytes, digest: digestOf(bytes) }],
  };
}

function changedEnvelope(envelope: { payload: string; signature: string }, tampering: Tampering): object {
  switch (tampering) {
    case 'signature': {
      const signature = Buffer.from(envelope.signature, 'base64url');
      signature.writeUInt8(signature.readUInt8(9) ^ 1, 9);
      return { ...envelope, signature: signature.toString('base64url') };
    }
    case "payload's digest":
      return { ...envelope, payload: changedPayload(envelope.payload, /("digest":"sha256:)(.)/) };
    case "metadata's tag":
      return { ...envelope, payload: changedPayload(envelope.payload, /("autosign\.tag":")(.)/) };
  }
}

function changedPayload(payload: string, pattern: RegExp): string {
  const text = Buffer.from(payload, 'base64url').toString();
  const changed = text.replace(pattern, (_, before: string, first: string) => before + (first === '0' ? '1' : '0'));
  if (changed === text) throw new Error(`nothing to change: ${pattern}`);
  return Buffer.from(changed).toString('base64url');
}
