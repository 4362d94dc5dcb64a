import { isSameSignature } from '../domain/cosign-layer.ts';
import { type Digest, digestOf } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { Blob, LayerArtifact, SignatureArtifact, SignatureStore } from '../ports/signature-store.ts';
import {
  appendLayer,
  type CosignTag,
  type CosignTagLimits,
  cosignTagOf,
  type ExtendedTag,
  readCosignTag,
} from './cosign-tag.ts';
import { defaultLockName, enterInSharedTag } from './enter-in-shared-tag.ts';
import type { CallOptions } from './exchange.ts';
import { pushIfMissing } from './push-artifact.ts';
import { registryLimits } from './registry-limits.ts';
import type { SignatureStoreOptions } from './signature-store.ts';

export interface CosignTagStoreOptions extends Omit<SignatureStoreOptions, 'limits'> {
  readonly limits?: Partial<CosignTagStoreLimits> | undefined;
}

interface CosignTagStoreLimits extends CosignTagLimits {
  readonly payloadBytesMax: number;
}

const defaultLimits: CosignTagStoreLimits = {
  manifestBytesMax: registryLimits.manifestBytesMax,
  // cosign refuses an image with more (sigstore/cosign, pkg/oci/remote/signatures.go, maxLayers).
  layersMax: 1_000,
  // Our payload is three names and a digest, below 1 kB.
  payloadBytesMax: 64 * 1024,
};

/** The signatures under cosign's tags in the registry behind `client`. */
export function createCosignTagStore(options: CosignTagStoreOptions): SignatureStore {
  const { client, lock } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const lockName = options.lockName ?? ((...of) => defaultLockName(client.host, ...of));
  const read = (repository: string, subject: Digest, callOptions?: CallOptions) =>
    readCosignTag(client, repository, subject, limits, callOptions);

  async function write(
    repository: string,
    subject: Digest,
    payload: Blob,
    { manifest, config }: ExtendedTag,
    callOptions: CallOptions,
  ): Promise<void> {
    const put = () =>
      client.putManifest(repository, cosignTagOf(subject), mediaTypes.ociManifest, manifest, callOptions);
    if (config !== undefined) await client.uploadBlob(repository, config.bytes, config.digest, callOptions);
    try {
      await put();
    } catch (error) {
      if (!isAutosignError(error, 'registry-protocol', 'not-found')) throw error;
      // A blob is missing: collected as garbage, or uploaded by a rival just now, as push-artifact.ts tells.
      for (const blob of [payload, ...(config ? [config] : [])]) {
        await pushIfMissing(client, repository, blob, callOptions);
      }
      await put();
    }
  }

  return {
    list: async (repository, subject) => (await read(repository, subject)).layers,

    async read(repository, listed) {
      const { mediaType, digest } = listed;
      const bytes = await client.getBlob(repository, listed, limits.payloadBytesMax);
      return { descriptor: listed, blobs: [{ mediaType, digest, bytes }] };
    },

    // A payload that is not there any more is pushed with the next signature, whose payload has the same bytes.
    forget: async () => undefined,

    async push(repository, { digest: subject }, artifact) {
      const { descriptor, blobs } = checkedLayer(artifact);
      const [payload] = blobs;
      await client.uploadBlob(repository, payload.bytes, payload.digest);
      const tag = await enterInSharedTag<CosignTag>({
        lock,
        lockName: lockName(repository, subject),
        read: (callOptions) => read(repository, subject, callOptions),
        isEntered: ({ layers }) => layers.some((layer) => isSameSignature(layer, descriptor)),
        write: (tag, callOptions) =>
          write(repository, subject, payload, appendLayer(tag, descriptor, limits), callOptions),
      });
      if (tag !== undefined) return tag.layers;
      throw new AutosignError(
        'signature-not-found',
        `${client.host}/${repository}:${cosignTagOf(subject)}: the signature with payload ${descriptor.digest} does not stay there; another program writes the tag`,
      );
    },
  };
}

function checkedLayer(artifact: SignatureArtifact): LayerArtifact {
  if (artifact.manifest !== undefined) throw new Error("cosign's tag holds layers");
  const [{ digest, bytes }] = artifact.blobs;
  if (digestOf(bytes) === digest && digest === artifact.descriptor.digest) return artifact;
  throw new AutosignError('digest-mismatch', `the artifact to push holds bytes that are not ${digest}`);
}
