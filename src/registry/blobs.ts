import type { Descriptor } from '../domain/descriptor.ts';
import { type Digest, digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { tryAgain } from '../domain/try-again.ts';
import {
  type CallOptions,
  pullScope,
  pushScope,
  type RegistryContext,
  referenceText,
  refusal,
  repositoryUrl,
} from './exchange.ts';
import { resolveOnSameOrigin, resolveRedirect } from './target-check.ts';
import type { HttpAnswer } from './transport.ts';

export interface BlobOperations {
  hasBlob(repository: string, digest: Digest, options?: CallOptions): Promise<boolean>;
  /**
   * The bytes of a blob, digest and size checked. Follows redirects to object storage, without credentials.
   * @param bytesMax what the descriptor may claim at most
   * @throws AutosignError `not-found`, `too-large`, `digest-mismatch`; `registry-*`
   */
  getBlob(
    repository: string,
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    bytesMax: number,
    options?: CallOptions,
  ): Promise<Uint8Array>;
  /** Uploading what is there already changes nothing. What fails on the way is begun anew, with an upload of its own. */
  uploadBlob(repository: string, bytes: Uint8Array, digest: Digest, options?: CallOptions): Promise<void>;
}

export function createBlobs(context: RegistryContext): BlobOperations {
  const { limits, send } = context;
  const knowledge: UploadKnowledge = { takesSinglePost: true };

  return {
    async hasBlob(repository, digest, options = {}) {
      const about = `HEAD blob ${referenceText(context, repository, digest)}`;
      const url = repositoryUrl(context, repository, `blobs/${digest}`);
      const request = { method: 'HEAD', url, about, bytesMax: 0, signal: options.signal } as const;
      const answer = await send(request, pullScope(repository));
      if (answer.status === 404) return false;
      // A redirect to object storage is given for what exists only; there is no need to go there.
      if (answer.status === 200 || isRedirect(answer)) return true;
      throw refusal(answer, about);
    },

    async getBlob(repository, { digest, size }, bytesMax, options = {}) {
      const about = `GET blob ${referenceText(context, repository, digest)}`;
      if (size > bytesMax) throw new AutosignError('too-large', `${about}: ${size} bytes, more than ${bytesMax}`);
      const url = repositoryUrl(context, repository, `blobs/${digest}`);
      const request = { method: 'GET', url, about, bytesMax, signal: options.signal } as const;
      const answer = await send(request, pullScope(repository));
      if (isRedirect(answer)) return checked(await followRedirects(context, answer, request), digest, size, about);
      if (answer.status !== 200) throw refusal(answer, about);
      return checked(answer.bytes, digest, size, about);
    },

    uploadBlob: (repository, bytes, digest, options = {}) =>
      tryAgain(() => uploadOnce({ context, knowledge, repository, bytes, digest }, options), {
        limits,
        signal: options.signal,
      }),
  };
}

interface UploadKnowledge {
  /** Until the registry has opened an upload instead: then the bytes would be sent twice each time. */
  takesSinglePost: boolean;
}

interface Upload {
  readonly context: RegistryContext;
  readonly knowledge: UploadKnowledge;
  readonly repository: string;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** One upload from its beginning to its end; the address of an upload is good for one try. */
async function uploadOnce(upload: Upload, { signal }: CallOptions): Promise<void> {
  const { context, knowledge, repository, bytes, digest } = upload;
  const { limits, send } = context;
  const blob = referenceText(context, repository, digest);
  const scope = pushScope(repository);
  const content = { headers: { 'content-type': 'application/octet-stream' }, body: bytes };
  const common = { bytesMax: limits.errorBytesMax, signal, once: true };
  const url = repositoryUrl(context, repository, 'blobs/uploads/');
  const single = knowledge.takesSinglePost;
  if (single) url.search = digestParameter(digest);
  const opening = `POST blob ${blob}`;
  const opened = await send({ ...common, ...(single && content), method: 'POST', url, about: opening }, scope);
  if (single && opened.status === 201) return;
  // distribution-spec, "Single POST": a registry that does not take it answers 202 and opens an upload.
  if (opened.status !== 202) throw refusal(opened, opening);
  knowledge.takesSinglePost = false;
  const location = opened.header('location');
  if (location === undefined) throw new AutosignError('registry-protocol', `${opening}: the answer has no Location`);
  const target = resolveOnSameOrigin(location, url, opening);
  // Appended by hand: the registry's own query is signed by some and must stay as it is, letter for letter.
  target.search += `${target.search === '' ? '?' : '&'}${digestParameter(digest)}`;
  const ending = `PUT blob ${blob}`;
  const answer = await send({ ...common, ...content, method: 'PUT', url: target, about: ending }, scope);
  if (answer.status === 404) {
    // No word about the repository, which has just taken the POST: its instance that knew the upload is gone.
    throw new AutosignError('registry-unreachable', `${ending}: the registry has lost the upload that it opened`);
  }
  if (answer.status < 200 || answer.status >= 300) throw refusal(answer, ending);
}

async function followRedirects(
  context: RegistryContext,
  first: HttpAnswer,
  request: Parameters<RegistryContext['sendUnauthorized']>[0],
): Promise<Uint8Array> {
  const { about } = request;
  let answer = first;
  let url = request.url;
  for (let hop = 0; hop < context.limits.redirectsMax; hop += 1) {
    const location = answer.header('location');
    if (location === undefined) throw new AutosignError('registry-protocol', `${about}: a redirect without Location`);
    url = resolveRedirect(location, url, context.origin, about);
    answer = await context.sendUnauthorized({ ...request, url, about: `${about} (redirected to ${url.host})` });
    if (answer.status === 200) return answer.bytes;
    if (!isRedirect(answer)) {
      // Storage refuses an address that is too old with 403: no word about our right to the repository.
      throw new AutosignError('registry-protocol', `${about}: ${url.host} answered ${answer.status}`);
    }
  }
  throw new AutosignError('host-refused', `${about}: more than ${context.limits.redirectsMax} redirects`);
}

function isRedirect(answer: HttpAnswer): boolean {
  return [301, 302, 303, 307, 308].includes(answer.status);
}

function digestParameter(digest: Digest): string {
  return `digest=${encodeURIComponent(digest)}`;
}

function checked(bytes: Uint8Array, digest: Digest, size: number, about: string): Uint8Array {
  const computed = digestOf(bytes);
  if (computed === digest && bytes.byteLength === size) return bytes;
  // The bytes are those that were asked for: then whoever wrote the size was wrong, not the way here.
  throw new AutosignError(
    computed === digest ? 'manifest-invalid' : 'digest-mismatch',
    `${about}: got ${computed} of ${bytes.byteLength} bytes, ${size} were announced`,
  );
}
