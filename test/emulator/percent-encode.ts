/** RFC 3986, as Alibaba's signatures want it: encodeURIComponent leaves five more characters alone. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Names and values encoded and in order, joined by `=` and `&`. */
export function canonicalQuery(parameters: URLSearchParams): string {
  return [...parameters]
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .sort(([a, aValue], [b, bValue]) => compare(a, b) || compare(aValue, bValue))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** By bytes: all is ASCII after encoding. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
