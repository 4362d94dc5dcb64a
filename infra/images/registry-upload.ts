import { type Digest, digestOf } from '../../src/domain/digest.ts';

/** A repository of a registry on loopback that speaks plain HTTP. */
export interface UploadTarget {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly repository: string;
  /** Value of the Authorization header, such as `Bearer …`; absent for a registry without login. */
  readonly authorization?: string;
}

// The images are a few kilobytes and the registry is on this machine.
const requestTimeoutMs = 30_000;

/** Uploads a blob by the two requests every registry takes (distribution-spec, "POST then PUT"). */
export async function pushBlob(target: UploadTarget, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes);
  const begun = await send(target, `/v2/${target.repository}/blobs/uploads/`, { method: 'POST', expected: 202 });
  const location = new URL(begun.headers.get('location') ?? '', `http://${target.host}`);
  if (location.host !== target.host)
    throw new Error(`${target.host} wants the upload at ${location.host}, another host`);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await send(target, location.pathname + location.search, { method: 'PUT', body: bytes, headers, expected: 201 });
  return digest;
}

/**
 * Puts `bytes` as they are under `reference`: a tag (also a further tag of a manifest that is there), or the digest.
 * @returns the answer, whose `OCI-Subject` header tells whether the registry has the referrers API
 */
export async function putManifest(
  target: UploadTarget,
  reference: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Response> {
  const headers = { 'content-type': mediaType };
  const path = `/v2/${target.repository}/manifests/${reference}`;
  return await send(target, path, { method: 'PUT', body: bytes, headers, expected: 201 });
}

interface UploadRequest {
  readonly method: 'POST' | 'PUT';
  readonly body?: Uint8Array;
  readonly headers?: Record<string, string>;
  readonly expected: number;
}

async function send(target: UploadTarget, path: string, request: UploadRequest): Promise<Response> {
  const response = await fetch(`http://${target.host}${path}`, {
    method: request.method,
    headers: { ...request.headers, ...(target.authorization ? { authorization: target.authorization } : {}) },
    // A copy in a buffer of its own, since fetch takes no view of a shared one.
    ...(request.body === undefined ? {} : { body: Uint8Array.from(request.body) }),
    redirect: 'error',
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
  if (response.status === request.expected) return response;
  // The path without its query: an upload's state in it would only hide the reason.
  const where = `${request.method} ${target.host}${path.split('?')[0]}`;
  throw new Error(`${where} answered ${response.status}, not ${request.expected}: ${await response.text()}`);
}
