import { type Digest, isDigest } from './digest.ts';
import { AutosignError } from './errors.ts';

/** `host/repository[:tag][@digest]`; the host may have a port. */
export interface ImageReference {
  readonly host: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

// distribution-spec, spec.md "Pulling manifests": <name> and <reference> as a tag.
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const hostPattern = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const repositoryLengthMax = 255;

/** Whether `text` is a repository name of the distribution specification, at most 255 characters. */
export function isRepository(text: string): boolean {
  return text.length <= repositoryLengthMax && repositoryPattern.test(text);
}

/** Whether `text` is a tag of the distribution specification. */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Whether `text` is a registry host, with or without a port. */
export function isHost(text: string): boolean {
  return text.length <= repositoryLengthMax && hostPattern.test(text);
}

/** The first path segment, or undefined for a repository of one segment, which has no namespace. */
export function namespaceOf(repository: string): string | undefined {
  const slash = repository.indexOf('/');
  return slash < 0 ? undefined : repository.slice(0, slash);
}

/**
 * Reads `host/repository[:tag][@digest]`. Unlike Docker it adds nothing: no default host, no default tag.
 * @throws AutosignError `usage`, naming the part that is wrong.
 */
export function parseImageReference(text: string): ImageReference {
  const fail = (reason: string): never => {
    throw new AutosignError(
      'usage',
      `"${text}" is not an image reference: ${reason}. Write host/repository:tag or host/repository@sha256:…`,
    );
  };
  const slash = text.indexOf('/');
  const host = text.slice(0, Math.max(slash, 0));
  if (!isHost(host)) fail('the host before the first "/" is missing or malformed');
  const [name = '', digest, ...rest] = text.slice(slash + 1).split('@');
  if (rest.length > 0 || (digest !== undefined && !isDigest(digest))) fail('after "@" a sha256 digest is expected');
  const colon = name.indexOf(':');
  const repository = colon < 0 ? name : name.slice(0, colon);
  const tag = colon < 0 ? undefined : name.slice(colon + 1);
  if (!isRepository(repository)) fail(`"${repository}" is not a repository name`);
  if (tag !== undefined && !isTag(tag)) fail(`"${tag}" is not a tag`);
  return { host, repository, tag, digest: digest as Digest | undefined };
}
