import type { FetchedManifest } from '../domain/descriptor.ts';
import { type Digest, digestOf, isDigest } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { indexMediaTypes, manifestMediaTypes } from '../domain/media-types.ts';
import {
  type CallOptions,
  checkReference,
  pullScope,
  pushScope,
  type RegistryContext,
  referenceText,
  refusal,
  repositoryUrl,
} from './exchange.ts';
import { parseJson } from './json.ts';
import type { HttpAnswer } from './transport.ts';

export interface ManifestOperations {
  /**
   * One request; digest and size are computed from the bytes, the media type is the registry's.
   * @param reference a tag or a digest
   * @throws AutosignError `not-found`, `too-large`, `digest-mismatch`, `manifest-invalid`; `registry-*`
   */
  getManifest(repository: string, reference: string, options?: CallOptions): Promise<FetchedManifest>;
  /** What the registry says the digest is, unchecked: only good for asking whether something is there. */
  headManifest(repository: string, reference: string, options?: CallOptions): Promise<Digest | undefined>;
  /**
   * @param reference a tag, or the digest of `bytes`
   * @returns the answer's `OCI-Subject`: undefined when the registry does not keep a referrers list itself
   */
  putManifest(
    repository: string,
    reference: string,
    mediaType: string,
    bytes: Uint8Array,
    options?: CallOptions,
  ): Promise<{ readonly ociSubject: Digest | undefined }>;
}

const accept = [...manifestMediaTypes, ...indexMediaTypes].join(', ');

export function createManifests(context: RegistryContext): ManifestOperations {
  const { limits, send } = context;

  const operations: ManifestOperations = {
    async getManifest(repository, reference, options = {}) {
      checkReference(reference);
      const about = `GET ${referenceText(context, repository, reference)}`;
      const url = repositoryUrl(context, repository, `manifests/${reference}`);
      const request = {
        method: 'GET',
        url,
        headers: { accept },
        about,
        bytesMax: limits.manifestBytesMax,
        signal: options.signal,
      } as const;
      const answer = await send(request, pullScope(repository));
      if (answer.status !== 200) throw refusal(answer, about);
      const digest = digestOf(answer.bytes);
      if (isDigest(reference)) checkDigest(reference, digest, about);
      checkDigest(answer.header('docker-content-digest'), digest, about);
      return {
        descriptor: { mediaType: mediaTypeOf(answer, about), digest, size: answer.bytes.byteLength },
        bytes: answer.bytes,
      };
    },

    async headManifest(repository, reference, options = {}) {
      checkReference(reference);
      const about = `HEAD ${referenceText(context, repository, reference)}`;
      const url = repositoryUrl(context, repository, `manifests/${reference}`);
      const request = { method: 'HEAD', url, headers: { accept }, about, bytesMax: 0, signal: options.signal } as const;
      const answer = await send(request, pullScope(repository));
      if (answer.status === 404) return undefined;
      if (answer.status !== 200) throw refusal(answer, about);
      const digest = answer.header('docker-content-digest');
      // The header is optional (distribution-spec, "Checking if content exists in the registry").
      if (!isDigest(digest)) return (await operations.getManifest(repository, reference, options)).descriptor.digest;
      if (isDigest(reference)) checkDigest(reference, digest, about);
      return digest;
    },

    async putManifest(repository, reference, mediaType, bytes, options = {}) {
      checkReference(reference);
      const about = `PUT ${referenceText(context, repository, reference)}`;
      const digest = digestOf(bytes);
      if (isDigest(reference)) checkDigest(reference, digest, about);
      const url = repositoryUrl(context, repository, `manifests/${reference}`);
      const request = {
        method: 'PUT',
        url,
        headers: { 'content-type': mediaType },
        body: bytes,
        about,
        bytesMax: limits.errorBytesMax,
        signal: options.signal,
        beforeSend: options.beforeSend,
      } as const;
      const answer = await send(request, pushScope(repository));
      // Another 2xx is no word of this protocol; its lack of OCI-Subject would say nothing about the registry.
      if (answer.status !== 201) throw refusal(answer, about);
      checkDigest(answer.header('docker-content-digest'), digest, about);
      const ociSubject = answer.header('oci-subject');
      return { ociSubject: isDigest(ociSubject) ? ociSubject : undefined };
    },
  };
  return operations;
}

function checkDigest(claimed: string | undefined, computed: Digest, about: string): void {
  if (claimed === undefined || claimed === computed) return;
  throw new AutosignError('digest-mismatch', `${about}: ${claimed.slice(0, 80)} is claimed, the bytes are ${computed}`);
}

/**
 * The media type is part of what gets signed, so header and body must agree: a document that reads as a manifest for
 * one client and as an index for another is refused (distribution-spec advisory GHSA-mc8v-mgrf-8f4m).
 */
function mediaTypeOf(answer: HttpAnswer, about: string): string {
  const mediaType = answer.header('content-type')?.split(';', 1)[0]?.trim();
  if (mediaType === undefined || mediaType === '') {
    throw new AutosignError('registry-protocol', `${about}: the answer has no Content-Type`);
  }
  const body = parseJson(answer.bytes);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new AutosignError('registry-protocol', `${about}: the answer is no JSON object`);
  }
  if ('mediaType' in body && body.mediaType !== mediaType) {
    throw new AutosignError(
      'manifest-invalid',
      `${about}: the Content-Type is ${mediaType}, the manifest says otherwise`,
    );
  }
  return mediaType;
}
