import type { AcrApi } from '../../alibaba/acr-api.ts';
import { deleteTag, findRepository } from '../../alibaba/acr-repositories.ts';
import { deleteTrigger, listTriggers } from '../../alibaba/acr-triggers.ts';
import type { Digest } from '../../domain/digest.ts';
import { isAutosignError } from '../../domain/errors.ts';
import { isTag, namespaceOf } from '../../domain/image-reference.ts';
import type { RegistryClient } from '../../registry/registry-client.ts';
import { listSignatures } from './list-signatures.ts';
import type { Observed } from './observed.ts';

export interface CleanUpParts {
  readonly client: RegistryClient;
  readonly api: AcrApi | undefined;
}

// Of a worker that signed the image as well: what it was about to push comes after the first look.
const rounds = 2;

/**
 * Takes away what a run pushed, and what signers added to it: manifests by digest, which no other image shares. Where a
 * registry deletes none, tags by the OpenAPI. Blobs stay for the registry's own collection.
 * @returns what is still there, each by its full name
 */
export async function cleanUp(parts: CleanUpParts, observed: Observed): Promise<readonly string[]> {
  const { client } = parts;
  const { repository, image, registry } = observed;
  const tags = new Set(observed.puts.map(({ reference }) => reference).filter(isTag));
  const digests = new Set<Digest>();
  for (let round = 0; round < rounds; round += 1) {
    for (const { digest } of observed.puts) digests.add(digest);
    for (const subject of [image, observed.untagged]) {
      if (subject === undefined) continue;
      for (const found of await orNone(listSignatures(client, repository, subject))) digests.add(found);
    }
    if (round === 0) await deleteImage(parts, observed);
    for (const digest of digests) await quietly(client.deleteManifest(repository, digest));
  }
  const left: string[] = [];
  const where = `${registry.host}/${repository}`;
  for (const tag of tags) {
    if (!(await mayBeThere(client, repository, tag))) continue;
    await quietly(deleteTagOf(parts, repository, tag));
    if (await mayBeThere(client, repository, tag)) left.push(`${where}:${tag}`);
  }
  for (const digest of digests) {
    if (await mayBeThere(client, repository, digest)) left.push(`${where}@${digest}`);
  }
  return left;
}

/** Before its signatures, to see what becomes of them. */
async function deleteImage({ client }: CleanUpParts, observed: Observed): Promise<void> {
  const { repository, image, puts } = observed;
  if (image === undefined) return;
  try {
    observed.deletion = (await client.deleteManifest(repository, image)) ? 'deleted' : 'not there';
  } catch (error) {
    observed.deletion = isAutosignError(error) ? `${error.code}: ${error.message}` : 'unexpected error';
    return;
  }
  const signature = puts.find(({ reference, answer }) => !isTag(reference) && answer?.ociSubject === image);
  const byDigest = signature ?? puts.findLast(({ reference }) => reference.startsWith('sha256:'));
  if (byDigest === undefined || byDigest.digest === observed.untagged || byDigest.digest === image) return;
  observed.signatureOutlivesImage = await mayBeThere(client, repository, byDigest.digest);
}

/** Triggers of ours by their name: the answer that told the id of one may be lost. */
export async function removeTriggers(api: AcrApi, repositoryId: string, name: string): Promise<readonly string[]> {
  for (const trigger of await listTriggers(api, repositoryId)) {
    if (trigger.name === name) await quietly(deleteTrigger(api, repositoryId, trigger.id));
  }
  const still = await listTriggers(api, repositoryId);
  return still.filter((trigger) => trigger.name === name).map(({ id }) => `trigger ${id}`);
}

/** The instance's id of a repository; undefined where there is none. */
export async function repositoryIdOf(api: AcrApi, repository: string): Promise<string | undefined> {
  const namespace = namespaceOf(repository);
  if (namespace === undefined) return undefined;
  return (await findRepository(api, { namespace, name: repository.slice(namespace.length + 1) }))?.id;
}

async function deleteTagOf({ api }: CleanUpParts, repository: string, tag: string): Promise<void> {
  const id = api && (await repositoryIdOf(api, repository));
  if (api !== undefined && id !== undefined) await deleteTag(api, id, tag);
}

/** What cannot be looked at is named as if it were there. */
async function mayBeThere(client: RegistryClient, repository: string, reference: string): Promise<boolean> {
  try {
    return (await client.headManifest(repository, reference)) !== undefined;
  } catch {
    return true;
  }
}

async function orNone(found: Promise<readonly Digest[]>): Promise<readonly Digest[]> {
  return found.catch(() => []);
}

/** What could not be done shows itself when what is left is looked for. */
async function quietly(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}
