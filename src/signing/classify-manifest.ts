import { z } from 'zod';
import type { FetchedManifest } from '../domain/descriptor.ts';
import { type Digest, isDigest } from '../domain/digest.ts';
import { indexMediaTypes, manifestMediaTypes, mediaTypes } from '../domain/media-types.ts';

/** Whether a manifest is an image, and which platform manifests it names. */
export type ManifestClass =
  | { readonly image: true; readonly children: readonly Digest[] }
  | { readonly image: false; readonly reason: string };

/** More platforms than any image has; a longer index costs memory and says nothing. */
const childrenMax = 1000;

const digest = z.custom<Digest>(isDigest);
// A body that could be read as the other kind too is neither: another reader might see other content in it.
const ImageManifest = z.object({
  manifests: z.undefined().optional(),
  subject: z.unknown().optional(),
  artifactType: z.string().optional(),
  config: z.object({ mediaType: z.string() }),
  layers: z.array(z.object({ mediaType: z.string() })),
});
const ImageIndex = z.object({
  layers: z.undefined().optional(),
  config: z.undefined().optional(),
  subject: z.unknown().optional(),
  artifactType: z.string().optional(),
  manifests: z.array(z.object({ mediaType: z.string(), digest, artifactType: z.string().optional() })),
});

const imageConfigs: readonly string[] = [mediaTypes.ociImageConfig, mediaTypes.dockerImageConfig];
/** Layers of signatures and attestations: cosign, Sigstore bundles, Notary Project, in-toto and DSSE (BuildKit, cosign attest). */
const signatureLayer =
  /^application\/(?:vnd\.dev\.cosign\.|vnd\.dev\.sigstore\.bundle|jose\+json|cose|vnd\.in-toto|vnd\.dsse\.envelope|vnd\.autosign\.)/;

/**
 * Tells images and indexes of images from everything else that a repository may hold: signatures, attestations,
 * lists of referrers, Helm charts. Only images are signed; a signature, or a list of them, never is.
 */
export function classifyManifest({ descriptor, bytes }: FetchedManifest): ManifestClass {
  const body = parseJson(bytes);
  if (manifestMediaTypes.includes(descriptor.mediaType)) return classifyImageManifest(body);
  if (indexMediaTypes.includes(descriptor.mediaType)) return classifyIndex(body);
  return no(`its media type is ${descriptor.mediaType}`);
}

function classifyImageManifest(body: unknown): ManifestClass {
  const manifest = ImageManifest.safeParse(body);
  if (!manifest.success) return no('it is not a well-formed image manifest');
  const { subject, artifactType, config, layers } = manifest.data;
  if (subject !== undefined) return no('it refers to another manifest (it has a subject)');
  if (artifactType !== undefined) return no(`it is an artifact of type ${artifactType}`);
  if (!imageConfigs.includes(config.mediaType)) return no(`its config is ${config.mediaType}`);
  const layer = layers.find(({ mediaType }) => signatureLayer.test(mediaType));
  if (layer !== undefined) return no(`it has a signature layer, ${layer.mediaType}`);
  return { image: true, children: [] };
}

function classifyIndex(body: unknown): ManifestClass {
  const index = ImageIndex.safeParse(body);
  if (!index.success) return no('it is not a well-formed index');
  const { subject, artifactType, manifests } = index.data;
  if (subject !== undefined) return no('it refers to another manifest (it has a subject)');
  if (artifactType !== undefined) return no(`it is an artifact of type ${artifactType}`);
  if (manifests.length > childrenMax) return no(`it names more than ${childrenMax} manifests`);
  const nested = manifests.find(({ mediaType }) => !manifestMediaTypes.includes(mediaType));
  if (nested !== undefined) return no(`it names a manifest of type ${nested.mediaType}`);
  // A list of referrers gives every entry an artifactType (distribution-spec, "Referrers tag schema").
  if (!manifests.some((child) => child.artifactType === undefined)) return no('it names no image');
  return { image: true, children: manifests.map((child) => child.digest) };
}

function no(reason: string): ManifestClass {
  return { image: false, reason };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
