/** What a bearer token must allow for a request to a registry. */
export type RequiredAccess =
  /** `/v2/` itself: any login will do. */
  | { readonly kind: 'login' }
  | { readonly kind: 'catalog' }
  | {
      readonly kind: 'repository';
      readonly repository: string;
      readonly actions: readonly string[];
      /** What of the repository is asked for, and by which name. */
      readonly part: 'manifests' | 'blobs' | 'tags' | 'referrers';
      readonly reference: string;
      /** The repository that a blob is mounted from, which must be pulled from. */
      readonly mountFrom: string | undefined;
    };

/** Undefined for what is no address of a registry. */
export function requiredAccess(method: string, url: URL): RequiredAccess | undefined {
  if (url.pathname === '/v2/' || url.pathname === '/v2') return { kind: 'login' };
  if (url.pathname === '/v2/_catalog') return { kind: 'catalog' };
  // A repository may have a level of such a name, so the last one decides.
  const [, repository, part, reference] =
    /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(url.pathname) ?? [];
  if (repository === undefined || part === undefined || reference === undefined) return undefined;
  const mountFrom = method === 'POST' ? (url.searchParams.get('from') ?? undefined) : undefined;
  return {
    kind: 'repository',
    repository,
    actions: actionsOf(method),
    part: part as 'manifests' | 'blobs' | 'tags' | 'referrers',
    reference,
    mountFrom,
  };
}

/** As distribution asks for them. */
function actionsOf(method: string): readonly string[] {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return ['pull'];
    case 'DELETE':
      return ['delete'];
    default:
      return ['pull', 'push'];
  }
}

/** The `scope` of a challenge; undefined where a login is all that is needed. */
export function scopeOf(access: RequiredAccess): string | undefined {
  switch (access.kind) {
    case 'login':
      return undefined;
    case 'catalog':
      return 'registry:catalog:*';
    case 'repository': {
      const from = access.mountFrom === undefined ? '' : ` repository:${access.mountFrom}:pull`;
      return `repository:${access.repository}:${access.actions.join(',')}${from}`;
    }
  }
}
