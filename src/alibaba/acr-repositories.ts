import { z } from 'zod';
import type { Digest } from '../domain/digest.ts';
import { type AcrApi, orMissing } from './acr-api.ts';
import { digest, flag, text, time } from './acr-fields.ts';
import { listAll } from './acr-pages.ts';

export interface AcrNamespace {
  readonly id: string;
  readonly name: string;
  /** `NORMAL` or `DELETING`. */
  readonly status: string;
  /** Whether a push makes a repository that is not there. */
  readonly createsRepositories: boolean;
}

export interface AcrRepository {
  /** `crr-…` */
  readonly id: string;
  readonly namespace: string;
  /** Below the namespace; may have several levels. */
  readonly name: string;
  /** `NORMAL`, `DELETING` or `DELETED`. */
  readonly status: string;
  /** Whether a tag, once pushed, cannot be pushed again. */
  readonly tagsAreImmutable: boolean;
}

export interface AcrTag {
  readonly name: string;
  readonly digest: Digest | undefined;
  /** `ImageUpdate`: that it is when the tag was pushed last is assumed; undefined when it is no time. */
  readonly updatedAt: Date | undefined;
}

interface Listing {
  readonly signal?: AbortSignal | undefined;
}

const Namespace = z
  .object({ NamespaceId: text, NamespaceName: z.string().min(1), NamespaceStatus: text, AutoCreateRepo: flag })
  .transform(
    (answer): AcrNamespace => ({
      id: answer.NamespaceId,
      name: answer.NamespaceName,
      status: answer.NamespaceStatus,
      createsRepositories: answer.AutoCreateRepo,
    }),
  );

const Repository = z
  .object({
    RepoId: z.string().min(1),
    RepoNamespaceName: z.string().min(1),
    RepoName: z.string().min(1),
    RepoStatus: text,
    TagImmutability: flag,
  })
  .transform(
    (answer): AcrRepository => ({
      id: answer.RepoId,
      namespace: answer.RepoNamespaceName,
      name: answer.RepoName,
      status: answer.RepoStatus,
      tagsAreImmutable: answer.TagImmutability,
    }),
  );

const Tag = z
  .object({ Tag: z.string().min(1), Digest: digest, ImageUpdate: time })
  .transform((answer): AcrTag => ({ name: answer.Tag, digest: answer.Digest, updatedAt: answer.ImageUpdate }));

const Done = z.object({}).transform(() => undefined);

/** Whether it is not being deleted, or gone already: what is listed of such a one can be neither signed nor changed. */
export function isStanding({ status }: Pick<AcrNamespace | AcrRepository, 'status'>): boolean {
  return status !== 'DELETED' && status !== 'DELETING';
}

/** Every namespace of the instance, those included that are being deleted. Throws as `listAll`. */
export function listNamespaces(api: AcrApi, { signal }: Listing = {}): AsyncIterable<AcrNamespace> {
  return listAll(api, {
    action: 'ListNamespace',
    field: 'Namespaces',
    item: Namespace,
    keyOf: ({ name }) => name,
    signal,
  });
}

/** Every repository of a namespace, those included that are being deleted. Throws as `listAll`. */
export function listRepositories(
  api: AcrApi,
  namespace: string,
  { signal }: Listing = {},
): AsyncIterable<AcrRepository> {
  const query = { RepoNamespaceName: namespace };
  return listAll(api, {
    action: 'ListRepository',
    query,
    field: 'Repositories',
    item: Repository,
    keyOf: ({ id }) => id,
    signal,
  });
}

/** One repository by its name, or undefined when it is not there. Throws as `AcrApi.call`. */
export function findRepository(
  api: AcrApi,
  { namespace, name }: Pick<AcrRepository, 'namespace' | 'name'>,
  { signal }: Listing = {},
): Promise<AcrRepository | undefined> {
  const query = { RepoNamespaceName: namespace, RepoName: name };
  return orMissing(api.call('GetRepository', Repository, { query, signal }));
}

/** Every tag of a repository, signature tags included. Throws as `listAll`. */
export function listTags(api: AcrApi, repositoryId: string, { signal }: Listing = {}): AsyncIterable<AcrTag> {
  const query = { RepoId: repositoryId };
  return listAll(api, { action: 'ListRepoTag', query, field: 'Images', item: Tag, keyOf: ({ name }) => name, signal });
}

/** Takes a tag away; sent once. Throws as `AcrApi.call`. */
export function deleteTag(api: AcrApi, repositoryId: string, tag: string): Promise<void> {
  const query = { RepoId: repositoryId, Tag: tag };
  return api.call('DeleteRepoTag', Done, { query, once: true });
}
