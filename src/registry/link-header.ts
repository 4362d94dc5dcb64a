/**
 * The target of `rel="next"` in a `Link` header (RFC 8288, section 3; distribution-spec, "Listing Tags").
 * @returns as written, relative or absolute, and unchecked
 */
export function nextLink(header: string | undefined): string | undefined {
  for (const match of (header ?? '').matchAll(/<([^>]*)>([^<]*)/g)) {
    const [, target, parameters = ''] = match;
    const relation = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters);
    const names = (relation?.[1] ?? relation?.[2] ?? '').toLowerCase().split(/\s+/);
    if (names.includes('next')) return target;
  }
  return undefined;
}
