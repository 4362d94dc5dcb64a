import type { StsCredentials } from './sts-credentials.ts';

/** Longer texts of a service are cut: an answer may quote a whole request. */
const textLengthMax = 300;

/** The values of a request that must not be quoted from an answer or a network error. */
export function secretsOf(credentials: StsCredentials, externalId: string | undefined): readonly string[] {
  return [credentials.accessKeySecret, credentials.securityToken, externalId].filter(
    (value): value is string => value !== undefined && value !== '',
  );
}

/**
 * `text` without `secrets` and without the query of any URL, cut to 300 characters. Network errors of the HTTP client
 * quote the whole URL, and SignatureDoesNotMatch may quote the canonical request, STS token included.
 */
export function redact(text: string, secrets: readonly string[]): string {
  let safe = text.replace(/(https?:\/\/[^\s?]*)\?\S*/g, '$1?…');
  for (const secret of secrets) {
    safe = safe.replaceAll(secret, '…').replaceAll(encodeURIComponent(secret), '…');
  }
  return safe.length > textLengthMax ? `${safe.slice(0, textLengthMax)}…` : safe;
}
