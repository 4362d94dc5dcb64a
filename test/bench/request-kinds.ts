import type { RecordedRequest } from '../chaos/http-proxy.ts';

/** What a request to a registry is for, as its method and path tell. */
const things = {
  tag: /\/manifests\/(?!sha256)/,
  'fallback index': /\/manifests\/sha256-/,
  signature: /\/manifests\/sha256:/,
  referrers: /\/referrers\//,
  upload: /\/blobs\/uploads\//,
  blob: /\/blobs\/sha256:/,
} as const satisfies Readonly<Record<string, RegExp>>;

const methods = ['GET', 'HEAD', 'POST', 'PUT'] as const;
type Method = (typeof methods)[number];
type Thing = keyof typeof things;

export interface RequestKind {
  readonly method: Method;
  readonly thing: Thing;
}

/** @throws Error for a request that no signature needs */
export function kindOf({ method, path }: Pick<RecordedRequest, 'method' | 'path'>): RequestKind {
  const known = methods.find((name) => name === method);
  const thing = (Object.keys(things) as Thing[]).find((name) => things[name].test(path));
  if (known === undefined || thing === undefined) throw new Error(`no request of a signature: ${method} ${path}`);
  return { method: known, thing };
}

/** `GET tag, GET referrers, …` */
export function describeKinds(kinds: readonly RequestKind[]): string {
  return kinds.map(({ method, thing }) => `${method} ${thing}`).join(', ');
}
