import { get, type ListedSignature, type RegistryAddress } from './read-signatures.ts';
import { digestText } from './sha256.ts';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json';

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
}

/** The signatures under cosign's tag of an image (sigstore/cosign, specs/SIGNATURE_SPEC.md), one a layer. */
export async function listCosignSignatures(
  registry: RegistryAddress,
  repository: string,
  subject: string,
): Promise<readonly ListedSignature[]> {
  const manifest = await get(registry, repository, `manifests/${subject.replace(':', '-')}.sig`, ociManifest);
  if (manifest === undefined) return [];
  const { layers } = JSON.parse(manifest.bytes.toString('utf8')) as { readonly layers: readonly Layer[] };
  return await Promise.all(layers.map((layer) => readLayer(registry, repository, subject, layer)));
}

async function readLayer(
  registry: RegistryAddress,
  repository: string,
  subject: string,
  { mediaType, digest }: Layer,
): Promise<ListedSignature> {
  const format = 'cosign';
  const broken = (problem: string) => ({ format, digest, subject: undefined, binding: undefined, problem }) as const;
  if (mediaType !== simpleSigning) return broken(`is of type ${mediaType}`);
  const payload = await get(registry, repository, `blobs/${digest}`, '*/*');
  if (payload === undefined) return broken('is listed but not there');
  if (digestText(payload.bytes) !== digest) return broken('has other bytes than its digest says');
  const { identity, image } = JSON.parse(payload.bytes.toString('utf8')).critical;
  const [, bound, tag] = /^(.*\/[^:]*):(.*)$/.exec(identity['docker-reference']) ?? [];
  const signed = image['docker-manifest-digest'];
  return {
    format,
    digest,
    subject: signed,
    binding: bound === undefined || tag === undefined ? undefined : { repository: bound, tag },
    problem: signed === subject ? undefined : `signs ${signed}`,
  };
}
