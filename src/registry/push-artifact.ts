import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../domain/digest.ts';
import { isAutosignError } from '../domain/errors.ts';
import type { Blob, ManifestArtifact } from '../ports/signature-store.ts';
import type { CallOptions } from './exchange.ts';
import type { RegistryClient } from './registry-client.ts';

/** Pushes blobs, then the manifest by digest, and gives the answer to the manifest. */
export type PushArtifact = (
  repository: string,
  artifact: ManifestArtifact,
) => Promise<{ readonly ociSubject: Digest | undefined }>;

export interface ArtifactPusherOptions {
  readonly client: RegistryClient;
  readonly configsKnownMax: number;
}

/** `{}`, the config of an artifact that needs none (image-spec, manifest.md, "Guidance for an Empty Descriptor"). */
const emptyConfig: Digest = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

// Far longer than a registry takes to write a file of seventy bytes.
const rivalUploadMs = 200;

/** Pushes a blob that the registry does not have. */
export async function pushIfMissing(
  client: RegistryClient,
  repository: string,
  { digest, bytes }: Blob,
  options: CallOptions = {},
): Promise<void> {
  if (!(await client.hasBlob(repository, digest, options))) await client.uploadBlob(repository, bytes, digest, options);
}

/** Remembers the repositories that have the empty config, so that most pushes send the envelope and the manifest alone. */
export function createArtifactPusher({ client, configsKnownMax }: ArtifactPusherOptions): PushArtifact {
  const configs = new Map<string, Promise<void>>();

  /** Pushes at the same time share one look and one upload. */
  function ensureEmptyConfig(repository: string, blob: Blob): Promise<void> {
    if (configs.size >= configsKnownMax) configs.clear();
    const ensured = configs.get(repository) ?? pushIfMissing(client, repository, blob);
    configs.set(repository, ensured);
    return ensured;
  }

  function pushBlob(repository: string, blob: Blob): Promise<void> {
    // Without looking first: an envelope is new nearly always, and the look would be one request in four.
    if (blob.digest !== emptyConfig) return client.uploadBlob(repository, blob.bytes, blob.digest);
    return ensureEmptyConfig(repository, blob);
  }

  const pushAll = async (repository: string, artifact: ManifestArtifact, push: typeof pushBlob) => {
    const { descriptor, manifest, blobs } = artifact;
    await Promise.all(blobs.map((blob) => push(repository, blob)));
    return await client.putManifest(repository, descriptor.digest, descriptor.mediaType, manifest);
  };

  return async function pushArtifact(repository, artifact) {
    try {
      return await pushAll(repository, artifact, pushBlob);
    } catch (error) {
      configs.delete(repository);
      if (!isAutosignError(error, 'registry-protocol', 'not-found')) throw error;
    }
    // A registry refuses a manifest when a blob is missing: the config was collected as garbage since we saw it, or
    // (docker-registry 2.8) a rival uploads the same blob just now and its link file is empty for a moment.
    const pushMissing: typeof pushBlob = (...of) => pushIfMissing(client, ...of);
    try {
      return await pushAll(repository, artifact, pushMissing);
    } catch (error) {
      if (!isAutosignError(error, 'registry-protocol', 'not-found')) throw error;
    }
    await sleep(rivalUploadMs);
    return await pushAll(repository, artifact, pushMissing);
  };
}
