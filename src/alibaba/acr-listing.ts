import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { isRepository, isTag, namespaceOf } from '../domain/image-reference.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { AcrApi } from './acr-api.ts';
import { findRepository, isStanding, listNamespaces, listRepositories, listTags } from './acr-repositories.ts';

/**
 * What an instance holds, by its OpenAPI: namespace by namespace, repository by repository, 100 entries a page. It has
 * no repositories without a namespace.
 */
export function createAcrListing(api: AcrApi): RegistryListing {
  // Of the listing that is under way: asking for each id would cost a call for each repository.
  const ids = createIds();

  async function idOf(repository: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const known = ids.take(repository);
    if (known !== undefined) return known;
    const namespace = namespaceOf(repository);
    if (namespace === undefined) return undefined;
    const found = await findRepository(api, { namespace, name: repository.slice(namespace.length + 1) }, { signal });
    return found !== undefined && isStanding(found) ? found.id : undefined;
  }

  return {
    async *listRepositories(wants, { signal } = {}) {
      for await (const namespace of listNamespaces(api, { signal })) {
        if (!isStanding(namespace) || !wants(namespace.name)) continue;
        for await (const repository of whileThere(listRepositories(api, namespace.name, { signal }))) {
          const name = `${repository.namespace}/${repository.name}`;
          if (repository.namespace !== namespace.name || !isRepository(name))
            throw strange(api, 'ListRepository', name);
          if (!isStanding(repository)) continue;
          ids.keep(name, repository.id);
          yield name;
        }
      }
    },
    async *listTags(repository, { signal } = {}) {
      const id = await idOf(repository, signal);
      if (id === undefined) return;
      for await (const tag of whileThere(listTags(api, id, { signal }))) {
        if (!isTag(tag.name)) throw strange(api, 'ListRepoTag', tag.name);
        yield { name: tag.name, pushedAt: tag.updatedAt };
      }
    },
  };
}

/** A namespace or repository may be deleted after it was listed: then it holds nothing, which ends no walk over the others. */
async function* whileThere<T>(list: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* list;
  } catch (error) {
    if (!isAutosignError(error, 'not-found')) throw error;
  }
}

/** A name that no request could be made for is an error: a listing that leaves something out looks complete. */
function strange({ endpoint }: AcrApi, action: string, name: string): AutosignError {
  return new AutosignError(
    'registry-protocol',
    `${action} at ${endpoint}: ${JSON.stringify(name.slice(0, 200))} is no name of a repository or tag that was asked for`,
  );
}

/** More repositories than an instance may have; a walk asks for the tags of each soon after it was listed. */
const idsMax = 10_000;

/** Ids by name, each for one use: a repository may be deleted and made anew, with another id. */
function createIds() {
  const ids = new Map<string, string>();
  return {
    keep: (name: string, id: string) => {
      ids.delete(name);
      ids.set(name, id);
      const oldest = ids.size > idsMax ? ids.keys().next().value : undefined;
      if (oldest !== undefined) ids.delete(oldest);
    },
    take: (name: string) => {
      const id = ids.get(name);
      ids.delete(name);
      return id;
    },
  };
}
