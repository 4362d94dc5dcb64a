import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { type Digest, digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { Blob } from '../ports/signature-store.ts';
import type { CallOptions } from './exchange.ts';
import { parseJson } from './json.ts';
import { ListedEntry, toDescriptors } from './listed-entry.ts';
import { readSharedTag } from './read-shared-tag.ts';
import type { RegistryClient } from './registry-client.ts';

/** The manifest that cosign keeps the signatures of one image in, a layer for each (sigstore/cosign, specs/SIGNATURE_SPEC.md). */
export interface CosignTag {
  readonly layers: readonly Descriptor[];
  /** The parsed JSON as it stands, so that what others wrote is written back; undefined when there is no tag. */
  readonly document: CosignDocument | undefined;
}

export interface CosignTagLimits {
  readonly layersMax: number;
  readonly manifestBytesMax: number;
}

const CosignDocument = z.looseObject({
  config: z.looseObject({ mediaType: z.string() }),
  layers: z.array(z.looseObject(ListedEntry.shape)),
});
type CosignDocument = z.infer<typeof CosignDocument>;

/** `sha256-<hex>.sig` */
export function cosignTagOf(subject: Digest): string {
  return `${subject.replace(':', '-')}.sig`;
}

/**
 * Reads what stands under cosign's tag of `subject`; no layers when the tag is not there.
 * @throws AutosignError `referrers-incomplete` for anything else than a complete, readable manifest; `registry-*`
 */
export async function readCosignTag(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  limits: CosignTagLimits,
  options: CallOptions = {},
): Promise<CosignTag> {
  const tag = cosignTagOf(subject);
  const about = `the signatures in ${client.host}/${repository}:${tag}`;
  const manifest = await readSharedTag(client, repository, tag, {
    mediaType: mediaTypes.ociManifest,
    about,
    ...options,
  });
  if (manifest === undefined) return { layers: [], document: undefined };
  const parsed = CosignDocument.safeParse(parseJson(manifest.bytes));
  if (!parsed.success) {
    throw new AutosignError('referrers-incomplete', `${about}: the manifest cannot be read`, { cause: parsed.error });
  }
  const { layers } = parsed.data;
  if (layers.length > limits.layersMax) {
    throw new AutosignError('referrers-incomplete', `${about}: ${layers.length} layers, more than ${limits.layersMax}`);
  }
  return { layers: toDescriptors(layers), document: parsed.data };
}

export interface ExtendedTag {
  readonly manifest: Uint8Array;
  /** Undefined when the config that is named already stays. */
  readonly config: Blob | undefined;
}

/**
 * The manifest with this layer at the end, and the config that goes with it. Every other layer and field stays as it is, known or not.
 * @throws AutosignError `referrers-incomplete` when the manifest would outgrow what verifiers read
 */
export function appendLayer(
  { document }: CosignTag,
  { mediaType, digest, size, annotations }: Descriptor,
  limits: CosignTagLimits,
): ExtendedTag {
  const layers = [...(document?.layers ?? []), { mediaType, digest, size, annotations }];
  const before = document ?? { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: undefined };
  const config = before.config === undefined || isImageConfig(before.config) ? configOf(layers) : undefined;
  const manifest = encode({ ...before, config: config === undefined ? before.config : describe(config), layers });
  if (layers.length > limits.layersMax || manifest.byteLength > limits.manifestBytesMax) {
    throw new AutosignError(
      'referrers-incomplete',
      `cosign's tag is full (${layers.length} layers, ${manifest.byteLength} bytes): take old signatures out of it`,
    );
  }
  return { manifest, config };
}

function isImageConfig({ mediaType }: CosignDocument['config']): boolean {
  return mediaType === mediaTypes.ociImageConfig;
}

/** To the byte what cosign derives from the layers; it looks up the layers by it when it appends its own. */
function configOf(layers: readonly { readonly digest: string }[]): Blob {
  const created = '0001-01-01T00:00:00Z';
  const bytes = encode({
    architecture: '',
    created,
    history: layers.map(() => ({ created })),
    os: '',
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    config: {},
  });
  return { mediaType: mediaTypes.ociImageConfig, digest: digestOf(bytes), bytes };
}

function describe({ mediaType, digest, bytes }: Blob): object {
  return { mediaType, size: bytes.length, digest };
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
