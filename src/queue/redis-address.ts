/** Where Redis is: what ioredis takes as one server, or the nodes of a cluster to ask first. */
export type RedisAddress =
  | { readonly kind: 'single'; readonly url: string }
  | {
      readonly kind: 'cluster';
      readonly nodes: readonly { readonly host: string; readonly port: number }[];
      readonly username: string | undefined;
      readonly password: string | undefined;
      readonly tls: boolean;
    };

const defaultPort = 6379;
const clusterSuffix = '?cluster=true';

/**
 * Reads `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` or `rediss://…`. Several nodes joined by commas, or one with
 * `?cluster=true`, are a cluster; it has no databases. The path of a Unix socket is a single server too.
 * @returns undefined when it is none of these
 */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  if (text.startsWith('/')) return { kind: 'single', url: text };
  const [, scheme, login = '', rest = ''] = /^(rediss?):\/\/(?:(.*)@)?([^@]*)$/.exec(text) ?? [];
  if (scheme === undefined) return undefined;
  const marked = rest.endsWith(clusterSuffix);
  const hosts = (marked ? rest.slice(0, -clusterSuffix.length) : rest).replace(/\/$/, '').split(',');
  if (!marked && hosts.length === 1) return isSingle(text) ? { kind: 'single', url: text } : undefined;
  const urls = hosts.map((host) => toUrl(`${scheme}://${login === '' ? '' : `${login}@`}${host}`));
  const nodes = urls.flatMap((url) => (url === undefined ? [] : [nodeOf(url)]));
  const [first] = urls;
  if (first === undefined || nodes.length !== hosts.length) return undefined;
  return {
    kind: 'cluster',
    nodes,
    username: first.username === '' ? undefined : decodeURIComponent(first.username),
    password: first.password === '' ? undefined : decodeURIComponent(first.password),
    tls: scheme === 'rediss',
  };
}

function isSingle(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hostname, pathname } = new URL(text);
  return hostname !== '' && /^\/?\d{0,5}$/.test(pathname);
}

/** A host and perhaps a port and a login, and nothing else. */
function toUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const bare =
    url.hostname !== '' && (url.pathname === '' || url.pathname === '/') && url.search === '' && url.hash === '';
  return bare ? url : undefined;
}

function nodeOf({ hostname, port }: URL) {
  // URL keeps the brackets of an IPv6 address, which a socket does not take.
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) };
}
