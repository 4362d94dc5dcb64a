/** A tag as a list names it. */
export interface ListedTag {
  readonly name: string;
  /** When it was pushed last; undefined where the registry does not tell. */
  readonly pushedAt: Date | undefined;
}

interface ListingOptions {
  /** Ends the listing between and during requests. */
  readonly signal?: AbortSignal | undefined;
}

/** What a registry holds, by its own lists: the catalogue and tag lists of a registry, or the OpenAPI of an instance. */
export interface RegistryListing {
  /**
   * Every repository of the namespaces that are wanted; others may be among them.
   * @param wants asked with the namespace, undefined for repositories without one
   * @throws AutosignError `registry-*` when the list cannot be read to its end
   */
  listRepositories(wants: (namespace: string | undefined) => boolean, options?: ListingOptions): AsyncIterable<string>;
  /**
   * Every tag, signature tags included; none for a repository that is not there. Throws as `listRepositories`;
   * `registry-denied` when this repository alone may not be listed.
   */
  listTags(repository: string, options?: ListingOptions): AsyncIterable<ListedTag>;
}
