import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { CallOptions } from './exchange.ts';
import { parseJson } from './json.ts';
import { readSharedTag } from './read-shared-tag.ts';
import { readReferrersIndex } from './referrers-index.ts';
import type { RegistryClient } from './registry-client.ts';

/** The referrers of an image as its fallback tag lists them (distribution-spec, "Referrers Tag Schema"). */
export interface FallbackIndex {
  readonly referrers: readonly Descriptor[];
  /** The parsed JSON as it stands, so that what others wrote is written back; undefined when there is no tag. */
  readonly document: Readonly<Record<string, unknown>> | undefined;
}

export interface FallbackLimits {
  readonly referrersMax: number;
  readonly manifestBytesMax: number;
}

/** `sha256-<hex>`, without the suffix that cosign's own tags have. */
export function fallbackTag(subject: Digest): string {
  return subject.replace(':', '-');
}

/**
 * Reads the fallback index of `subject`; empty when the tag is not there.
 * @throws AutosignError `referrers-incomplete` for anything else than a complete, readable index; `registry-*`
 */
export async function readFallbackIndex(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  limits: FallbackLimits,
  options: CallOptions = {},
): Promise<FallbackIndex> {
  const about = `the fallback index ${client.host}/${repository}:${fallbackTag(subject)}`;
  const expected = { mediaType: mediaTypes.ociIndex, about, ...options };
  const manifest = await readSharedTag(client, repository, fallbackTag(subject), expected);
  if (manifest === undefined) return { referrers: [], document: undefined };
  const referrers = readReferrersIndex(manifest.bytes, about);
  if (referrers.length > limits.referrersMax) {
    throw new AutosignError('referrers-incomplete', `${about} lists more than ${limits.referrersMax} referrers`);
  }
  return { referrers, document: parseJson(manifest.bytes) as Record<string, unknown> };
}

/**
 * The bytes of `index` with `referrer` at the end. Every other entry and field stays as it is, known or not.
 * @throws AutosignError `referrers-incomplete` when the index would outgrow what can be read back
 */
export function appendReferrer(index: FallbackIndex, referrer: Descriptor, limits: FallbackLimits): Uint8Array {
  const document = index.document ?? { schemaVersion: 2, mediaType: mediaTypes.ociIndex };
  const { mediaType, digest, size, artifactType, annotations } = referrer;
  const manifests = [...entriesOf(document), { mediaType, digest, size, artifactType, annotations }];
  const bytes = new TextEncoder().encode(JSON.stringify({ ...document, manifests }));
  if (manifests.length > limits.referrersMax || bytes.byteLength > limits.manifestBytesMax) {
    throw new AutosignError(
      'referrers-incomplete',
      `the fallback index is full (${manifests.length} entries, ${bytes.byteLength} bytes): take old signatures out of it`,
    );
  }
  return bytes;
}

/** The bytes of `index` without the entries of `digests`; every other entry and field stays as it is. */
export function removeReferrers(index: FallbackIndex, digests: ReadonlySet<string>): Uint8Array {
  const document = index.document ?? {};
  const manifests = entriesOf(document).filter(({ digest }) => !digests.has(String(digest)));
  return new TextEncoder().encode(JSON.stringify({ ...document, manifests }));
}

function entriesOf(document: Readonly<Record<string, unknown>>): readonly { readonly digest?: unknown }[] {
  return Array.isArray(document['manifests']) ? document['manifests'] : [];
}
