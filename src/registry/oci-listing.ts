import type { RegistryListing } from '../ports/registry-listing.ts';
import type { ListingOperations } from './listings.ts';

/** What a registry holds, by its catalogue and its lists of tags, which tell no times. */
export function createOciListing(client: ListingOperations): RegistryListing {
  return {
    listRepositories: (_, options) => client.listRepositories(options),
    async *listTags(repository, options) {
      for await (const name of client.listTags(repository, options)) yield { name, pushedAt: undefined };
    },
  };
}
