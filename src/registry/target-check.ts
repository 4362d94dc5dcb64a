import { BlockList, isIP } from 'node:net';
import { AutosignError } from '../domain/errors.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

// IANA special-purpose address registries: what no public object storage answers on. One list for each family, since
// a BlockList compares every IPv4 address with ::ffff:0:0/96 as well.
const notPublicIpv4 = new BlockList();
const ipv4Subnets: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
];
for (const [address, prefix] of ipv4Subnets) notPublicIpv4.addSubnet(address, prefix, 'ipv4');

// With them every IPv4 address in the clothes of IPv6, public or not: nobody needs one here.
const notPublicIpv6 = new BlockList();
const ipv6Subnets: readonly [string, number][] = [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
];
for (const [address, prefix] of ipv6Subnets) notPublicIpv6.addSubnet(address, prefix, 'ipv6');

/** Whether the host of `url` is this machine, by name or literal address. */
export function isLoopback(url: URL): boolean {
  return isLocalName(url) || isListed(url, loopback, loopback);
}

/**
 * The address of a `Location` or `Link` that must stay with the registry: same scheme, host and port, no user info.
 * @param text as the registry wrote it; relative to `base`
 * @throws AutosignError `host-refused`; `registry-protocol` for what is no address
 */
export function resolveOnSameOrigin(text: string, base: URL, about: string): URL {
  const target = parseTarget(text, base, about);
  if (target.origin === base.origin) return target;
  throw new AutosignError(
    'host-refused',
    `${about}: the registry points to ${target.origin}, and uploads and lists must stay on ${base.origin}. ` +
      'Behind a proxy, make the registry answer with relative addresses',
  );
}

/**
 * The address of a redirect to object storage. It gets no credentials, but may not reach into the network we run in
 * either: a literal address that is not public is refused. Names are not resolved here, because storage in the same
 * region answers on 100.64.0.0/10 and that is how it should be. A registry on this machine may redirect to this machine.
 * @param registry the origin of the registry itself, which is always allowed
 * @throws AutosignError `host-refused`; `registry-protocol` for what is no address
 */
export function resolveRedirect(text: string, base: URL, registry: URL, about: string): URL {
  const target = parseTarget(text, base, about);
  if (target.origin === registry.origin) return target;
  const isLocal = isLocalName(target) || isListed(target, notPublicIpv4, notPublicIpv6);
  if (target.protocol === 'https:' && !isLocal) return target;
  const isDowngrade = registry.protocol === 'https:' && target.protocol === 'http:';
  if (isLoopback(registry) && isLoopback(target) && !isDowngrade) return target;
  throw new AutosignError(
    'host-refused',
    `${about}: a redirect to ${target.origin} is not followed (https and a public host are expected)`,
  );
}

function parseTarget(text: string, base: URL, about: string): URL {
  const target = URL.parse(text, base.href);
  if (target === null || (target.protocol !== 'http:' && target.protocol !== 'https:')) {
    throw new AutosignError('registry-protocol', `${about}: the registry points to something that is no http address`);
  }
  if (target.username !== '' || target.password !== '') {
    throw new AutosignError('host-refused', `${about}: the registry points to an address with a user name or password`);
  }
  return target;
}

function hostnameOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

function isLocalName(url: URL): boolean {
  const name = hostnameOf(url);
  return name === 'localhost' || name.endsWith('.localhost');
}

function isListed(url: URL, ipv4: BlockList, ipv6: BlockList): boolean {
  const address = hostnameOf(url);
  const version = isIP(address);
  if (version === 0) return false;
  return version === 6 ? ipv6.check(address, 'ipv6') : ipv4.check(address, 'ipv4');
}
