import { alibabaRegions } from '../domain/alibaba-regions.ts';

/**
 * Whether `realm` is a token service of Container Registry: `https://dockerauth(-ee|-vpc)?[.-]<region>.aliyuncs.com`,
 * with a known region that need not be the registry's own. Held against the text as it came, since other customers own
 * hosts below aliyuncs.com, and parsers of addresses differ in what they make of the same one: default port, no user
 * info, plain path, no query.
 */
export function isAcrRealm(realm: string): boolean {
  const host = /^https:\/\/([a-z0-9.-]+)(?:\/[\w/-]*)?$/.exec(realm)?.[1];
  return host !== undefined && realmHosts.has(host);
}

const realmHosts: ReadonlySet<string> = new Set(
  alibabaRegions.flatMap((region) =>
    ['dockerauth', 'dockerauth-ee', 'dockerauth-vpc'].flatMap((name) => [
      `${name}.${region}.aliyuncs.com`,
      `${name}-${region}.aliyuncs.com`,
    ]),
  ),
);
