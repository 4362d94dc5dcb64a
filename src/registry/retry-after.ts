/**
 * Reads a `Retry-After` header (RFC 9110, 10.2.3: seconds or an HTTP date).
 * @returns milliseconds from `now`, at most `maxMs`; undefined when absent, malformed or past
 */
export function retryAfterMs(header: string | undefined, now: Date, maxMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1_000 : httpDateMs(text) - now.getTime();
  return wait > 0 ? Math.min(wait, maxMs) : undefined;
}

/** Only the date forms of RFC 9110 begin with the name of a day; `Date.parse` alone would take much more. */
function httpDateMs(text: string): number {
  return /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text) ? Date.parse(text) : Number.NaN;
}
