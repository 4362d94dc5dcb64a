import { digestText } from './sha256.ts';

/** Where a checker reads; the registry itself, never a proxy in front of it. */
export interface RegistryAddress {
  /** `127.0.0.1:PORT`, plain HTTP */
  readonly host: string;
  /** Value of the Authorization header for a repository; absent for a registry without login. */
  readonly authorization?: (repository: string) => Promise<string | undefined>;
}

/** A signature that a registry lists for an image. */
export interface ListedSignature {
  readonly format: 'notation' | 'cosign';
  /** Of the signature's manifest, or of cosign's payload. */
  readonly digest: string;
  /** The digest that its payload says it signs. */
  readonly subject: string | undefined;
  /** Repository and tag that its payload binds; undefined when it binds no tag. */
  readonly binding: { readonly repository: string; readonly tag: string } | undefined;
  /** What is wrong with its bytes; undefined when they hold together. */
  readonly problem: string | undefined;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly artifactType?: string;
}

const ociIndex = 'application/vnd.oci.image.index.v1+json';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const notationSignature = 'application/vnd.cncf.notary.signature';
const timeoutMs = 30_000;

/** The Notary Project signatures that the referrers API and the fallback tag list (distribution-spec, "Listing Referrers"), each once. */
export async function listSignatures(
  registry: RegistryAddress,
  repository: string,
  subject: string,
): Promise<readonly ListedSignature[]> {
  const [api, fallback] = await Promise.all([
    readIndex(registry, repository, `referrers/${subject}`),
    readIndex(registry, repository, `manifests/${subject.replace(':', '-')}`),
  ]);
  const listed = new Map([...api, ...fallback].map((descriptor) => [descriptor.digest, descriptor]));
  const signatures = [...listed.values()].filter((descriptor) => descriptor.artifactType === notationSignature);
  return await Promise.all(signatures.map((descriptor) => readSignature(registry, repository, subject, descriptor)));
}

async function readIndex(registry: RegistryAddress, repository: string, path: string): Promise<readonly Descriptor[]> {
  const answer = await get(registry, repository, path, ociIndex);
  if (answer === undefined || !answer.mediaType.startsWith(ociIndex)) return [];
  return (JSON.parse(answer.bytes.toString('utf8')) as { manifests: Descriptor[] }).manifests;
}

async function readSignature(
  registry: RegistryAddress,
  repository: string,
  subject: string,
  { digest }: Descriptor,
): Promise<ListedSignature> {
  const format = 'notation';
  const broken = (problem: string) => ({ format, digest, subject: undefined, binding: undefined, problem }) as const;
  const manifest = await get(registry, repository, `manifests/${digest}`, ociManifest);
  if (manifest === undefined) return broken('is listed but not there');
  if (digestText(manifest.bytes) !== digest) return broken('has other bytes than its digest says');
  const parsed = JSON.parse(manifest.bytes.toString('utf8'));
  if (parsed.subject?.digest !== subject) return broken(`refers to ${parsed.subject?.digest}`);
  const layer = parsed.layers?.[0]?.digest;
  const envelope = await get(registry, repository, `blobs/${layer}`, '*/*');
  if (envelope === undefined) return broken(`lacks its envelope ${layer}`);
  if (digestText(envelope.bytes) !== layer) return broken('has an envelope with other bytes than its digest says');
  // JWS JSON serialization, flattened (RFC 7515, 7.2.2).
  const { payload } = JSON.parse(envelope.bytes.toString('utf8')) as { readonly payload: string };
  const { targetArtifact } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  const { 'autosign.repository': boundRepository, 'autosign.tag': tag } = targetArtifact.annotations ?? {};
  return {
    format,
    digest,
    subject: targetArtifact.digest,
    binding: boundRepository === undefined ? undefined : { repository: boundRepository, tag },
    problem: targetArtifact.digest === subject ? undefined : `signs ${targetArtifact.digest}`,
  };
}

/** Undefined for what is not there, or, as for a list of referrers, not known to this registry. */
export async function get(registry: RegistryAddress, repository: string, path: string, accept: string) {
  const authorization = await registry.authorization?.(repository);
  const answer = await fetch(`http://${registry.host}/v2/${repository}/${path}`, {
    headers: { accept, ...(authorization && { authorization }) },
    signal: AbortSignal.timeout(timeoutMs),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw new Error(`${registry.host}/${repository}/${path} answered ${answer.status}: ${bytes}`);
  return { bytes, mediaType: answer.headers.get('content-type') ?? '' };
}
