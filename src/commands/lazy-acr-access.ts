import type { AcrSource } from '../rules/rule-set.ts';
import type { AcrAccess, AcrAccessOptions } from './acr-access.ts';

/** As `openAcrAccess`, at the first use: commands that look at other registries load no client of the cloud. */
export function lazyAcrAccess(source: AcrSource, options: AcrAccessOptions): AcrAccess {
  let opening: Promise<AcrAccess> | undefined;
  let opened: AcrAccess | undefined;

  async function open(): Promise<AcrAccess> {
    opening ??= import('./acr-access.ts').then(({ openAcrAccess }) => openAcrAccess(source, options));
    opened = await opening;
    return opened;
  }

  return {
    login: {
      credentials: async () => (await open()).login.credentials(),
      forget: (refused) => opened?.login.forget?.(refused),
    },
    listing: {
      async *listRepositories(...args) {
        yield* (await open()).listing.listRepositories(...args);
      },
      async *listTags(...args) {
        yield* (await open()).listing.listTags(...args);
      },
    },
  };
}
