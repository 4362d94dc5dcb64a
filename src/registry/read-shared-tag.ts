import type { FetchedManifest } from '../domain/descriptor.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { CallOptions } from './exchange.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * The manifest under a tag that lists signatures; undefined when the tag is not there.
 * @param mediaType the one that it must have
 * @param about names the tag for messages
 * @throws AutosignError `referrers-incomplete` for what cannot be read or is something else, so that nobody takes an
 *   image for unsigned, or overwrites what others wrote; `registry-*`
 */
export async function readSharedTag(
  client: RegistryClient,
  repository: string,
  tag: string,
  { mediaType, about, ...options }: CallOptions & { readonly mediaType: string; readonly about: string },
): Promise<FetchedManifest | undefined> {
  let manifest: FetchedManifest;
  try {
    manifest = await client.getManifest(repository, tag, options);
  } catch (error) {
    if (isAutosignError(error, 'not-found')) return undefined;
    if (!isAutosignError(error, 'too-large', 'manifest-invalid', 'registry-protocol', 'digest-mismatch')) throw error;
    throw new AutosignError('referrers-incomplete', `${about} cannot be read: ${error.message}`, { cause: error });
  }
  if (manifest.descriptor.mediaType === mediaType) return manifest;
  throw new AutosignError('referrers-incomplete', `${about} is not ${mediaType} but ${manifest.descriptor.mediaType}`);
}
