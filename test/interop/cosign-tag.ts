import { pushBlob, putManifest } from '../../infra/images/registry-upload.ts';
import { digestOf } from '../../src/domain/digest.ts';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';

export interface CosignLayer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

interface CosignManifest {
  readonly layers: readonly CosignLayer[];
}

export interface SignedImage {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly repository: string;
  readonly digest: string;
}

/** Where one byte under cosign's tag is changed. */
export type CosignTampering = 'signature' | "payload's reference" | "payload's digest";

/** The layers under cosign's tag, read without a line of the code under test. */
export async function layersOf(image: SignedImage): Promise<readonly CosignLayer[]> {
  return (await readTag(image)).layers;
}

/** Changes one byte of the only signature; the digests outside are those of the changed bytes, so that only a verifier can notice. */
export async function tamper(image: SignedImage, tampering: CosignTampering): Promise<void> {
  const manifest = await readTag(image);
  const [layer] = manifest.layers;
  if (layer === undefined || manifest.layers.length > 1) throw new Error('one signature is expected');
  const changed = tampering === 'signature' ? withChangedSignature(layer) : await withPayload(image, layer, tampering);
  await putManifest(image, tagOf(image), ociManifest, Buffer.from(JSON.stringify({ ...manifest, layers: [changed] })));
}

function withChangedSignature(layer: CosignLayer): CosignLayer {
  const signature = Buffer.from(layer.annotations[signatureAnnotation] ?? '', 'base64');
  // Behind the lengths that DER begins with: another number, not another form.
  signature.writeUInt8(signature.readUInt8(20) ^ 1, 20);
  return { ...layer, annotations: { [signatureAnnotation]: signature.toString('base64') } };
}

async function withPayload(image: SignedImage, layer: CosignLayer, tampering: CosignTampering): Promise<CosignLayer> {
  const answer = await fetch(`http://${image.host}/v2/${image.repository}/blobs/${layer.digest}`);
  const text = await answer.text();
  const pattern =
    tampering === "payload's digest" ? /("docker-manifest-digest":"sha256:)(.)/ : /("docker-reference":")(.)/;
  const changed = text.replace(pattern, (_, before: string, first: string) => before + (first === '1' ? '2' : '1'));
  if (changed === text) throw new Error(`nothing to change in ${text}`);
  const bytes = Buffer.from(changed);
  await pushBlob(image, bytes);
  return { ...layer, digest: digestOf(bytes), size: bytes.length };
}

function tagOf({ digest }: SignedImage): string {
  return `${digest.replace(':', '-')}.sig`;
}

async function readTag(image: SignedImage): Promise<CosignManifest> {
  const answer = await fetch(`http://${image.host}/v2/${image.repository}/manifests/${tagOf(image)}`, {
    headers: { accept: ociManifest },
  });
  if (!answer.ok) throw new Error(`${image.repository}:${tagOf(image)} answered ${answer.status}`);
  return (await answer.json()) as CosignManifest;
}
