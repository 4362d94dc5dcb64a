import { isIP } from 'node:net';

/** Which host names a browser may have in its address line when it talks to us. */
export interface AllowedHosts {
  /** Whether a request with this `Host` header was meant for us. */
  isOurs(host: string | undefined): boolean;
  /** Whether a request that changes something comes from a page of ours, by its `Origin` and `Host` headers. */
  isSameOrigin(origin: string | undefined, host: string | undefined): boolean;
  /** Whether browsers reach this host by https, so that cookies must never go by http. */
  isSecure(host: string | undefined): boolean;
}

export interface AllowedHostsOptions {
  /** What the pages listen on. */
  readonly adminHost: string;
  /** Where browsers reach the pages through a proxy: scheme, host and port; undefined when they come directly. */
  readonly publicUrl: URL | undefined;
}

/**
 * Against DNS rebinding: a page on the Internet can point a name of its own at 127.0.0.1 and then read what answers
 * there. Its requests carry that name, so only addresses, `localhost` and configured names are answered.
 */
export function createAllowedHosts({ adminHost, publicUrl }: AllowedHostsOptions): AllowedHosts {
  const names = new Set(['localhost', adminHost.toLowerCase()]);
  const isPublic = (host: string | undefined) => publicUrl !== undefined && host?.toLowerCase() === publicUrl.host;
  return {
    isOurs: (host) => {
      if (isPublic(host)) return true;
      const name = hostNameOf(host);
      return name !== undefined && (isAddress(name) || names.has(name));
    },
    isSameOrigin: (origin, host) => {
      if (origin === undefined || host === undefined) return false;
      return isPublic(host) ? origin === publicUrl?.origin : origin === `http://${host.toLowerCase()}`;
    },
    isSecure: (host) => isPublic(host) && publicUrl?.protocol === 'https:',
  };
}

function hostNameOf(host: string | undefined): string | undefined {
  return host !== undefined && URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : undefined;
}

function isAddress(name: string): boolean {
  return isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
}
