import { constants, createPrivateKey, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { Agent } from 'undici';
import { digestOf } from '../../src/domain/digest.ts';
import { mediaTypes } from '../../src/domain/media-types.ts';
import type { SigningKey } from '../support/signing-keys.ts';
import type { BenchImage } from './push-images.ts';
import type { RequestKind } from './request-kinds.ts';
import { sideBySide } from './side-by-side.ts';

export interface BareLoopOptions {
  readonly host: string;
  readonly key: SigningKey;
  /** What is sent for each image, in this order. */
  readonly kinds: readonly RequestKind[];
  readonly images: readonly BenchImage[];
  readonly atOnce: number;
}

export interface BareRun {
  readonly elapsedMs: number;
  /** Processor time of this process, in milliseconds. */
  readonly cpuMs: number;
}

const signOffThread = promisify(sign);
const empty = { mediaType: mediaTypes.ociEmpty, digest: digestOf(Buffer.from('{}')), size: 2 };
// As long as the certificate and the claims of a real envelope.
const filling = 'x'.repeat(2_500);

/**
 * The fastest that a program of this kind could be: for each image the same requests over the same HTTP client, and
 * one signature with the same key. It checks nothing, parses nothing, keeps nothing and asks no Redis.
 */
export async function runBareLoop(options: BareLoopOptions): Promise<BareRun> {
  const { images, atOnce, key, host } = options;
  const agent = new Agent({ connections: atOnce });
  const privateKey = createPrivateKey(key.privateKeyPem);
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const signBytes = (bytes: Uint8Array) =>
    signOffThread('sha256', bytes, key.spec === 'EC_P256' ? { key: privateKey } : { key: privateKey, ...padding });
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  await sideBySide(images, atOnce, async (image) => {
    const send = createSender(agent, host);
    await sendAll(await makeSignature(image, signBytes), image, options.kinds, send);
  });
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  await agent.close();
  return { elapsedMs, cpuMs: (user + system) / 1_000 };
}

interface BareSignature {
  readonly envelope: Buffer;
  readonly manifest: Buffer;
}

async function makeSignature(
  image: BenchImage,
  signBytes: (bytes: Uint8Array) => Promise<Buffer>,
): Promise<BareSignature> {
  const payload = JSON.stringify(image);
  const signature = (await signBytes(Buffer.from(payload))).toString('base64url');
  const envelope = Buffer.from(JSON.stringify({ payload, signature, filling }));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: mediaTypes.notarySignature,
      config: empty,
      layers: [{ mediaType: mediaTypes.jws, digest: digestOf(envelope), size: envelope.length }],
      subject: { mediaType: mediaTypes.ociManifest, digest: image.digest, size: 1 },
    }),
  );
  return { envelope, manifest };
}

interface Sent {
  readonly path: string;
  readonly type?: string;
  readonly body?: Buffer;
}

/** Gives the answer's Location; its body is read to the end. */
type SendBare = (method: RequestKind['method'], sent: Sent) => Promise<string | undefined>;

function createSender(agent: Agent, host: string): SendBare {
  return async (method, { path, type, body }) => {
    const headers = type === undefined ? {} : { 'content-type': type };
    const answer = await agent.request({ origin: `http://${host}`, path, method, headers, body: body ?? null });
    await answer.body.dump();
    const { location } = answer.headers;
    // A 404 is what a fallback index answers that is not there yet.
    if (answer.statusCode >= 300 && answer.statusCode !== 404)
      throw new Error(`${method} ${path}: ${answer.statusCode}`);
    return typeof location === 'string' ? location : undefined;
  };
}

async function sendAll(
  { envelope, manifest }: BareSignature,
  { repository, tag, digest }: BenchImage,
  kinds: readonly RequestKind[],
  send: SendBare,
): Promise<void> {
  const base = `/v2/${repository}`;
  const envelopeDigest = digestOf(envelope);
  const binary = { type: 'application/octet-stream', body: envelope };
  let location: string | undefined;
  for (const { method, thing } of kinds) {
    switch (thing) {
      case 'tag':
        await send(method, { path: `${base}/manifests/${tag}` });
        break;
      case 'fallback index': {
        const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [entryOf(manifest)] };
        const put = { type: mediaTypes.ociIndex, body: Buffer.from(JSON.stringify(index)) };
        await send(method, { path: `${base}/manifests/${digest.replace(':', '-')}`, ...(method === 'PUT' && put) });
        break;
      }
      case 'signature': {
        const put = { type: mediaTypes.ociManifest, body: manifest };
        await send(method, { path: `${base}/manifests/${digestOf(manifest)}`, ...(method === 'PUT' && put) });
        break;
      }
      case 'referrers':
        await send(method, { path: `${base}/referrers/${digest}` });
        break;
      case 'upload':
        location = await sendUpload(method, { base, location, envelopeDigest, binary }, send);
        break;
      case 'blob':
        await send(method, { path: `${base}/blobs/${envelopeDigest}` });
        break;
    }
  }
}

interface Upload {
  readonly base: string;
  readonly location: string | undefined;
  readonly envelopeDigest: string;
  readonly binary: { readonly type: string; readonly body: Buffer };
}

async function sendUpload(
  method: RequestKind['method'],
  { base, location, envelopeDigest, binary }: Upload,
  send: SendBare,
): Promise<string | undefined> {
  const digest = `digest=${encodeURIComponent(envelopeDigest)}`;
  if (method === 'POST') return await send(method, { path: `${base}/blobs/uploads/?${digest}`, ...binary });
  const { pathname, search } = new URL(location ?? '', 'http://registry');
  await send(method, { path: `${pathname}${search}${search === '' ? '?' : '&'}${digest}`, ...binary });
  return undefined;
}

function entryOf(manifest: Buffer): object {
  return { mediaType: mediaTypes.ociManifest, digest: digestOf(manifest), size: manifest.length };
}
