import { createHash, createHmac } from 'node:crypto';
import { canonicalQuery } from './percent-encode.ts';

/** What of a request its signature covers. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names of the signed headers, lower-case. */
  readonly signedHeaders: readonly string[];
  /** Lower-case hex SHA-256 of the body. */
  readonly bodySha256: string;
}

/** The authorization header, taken apart. */
export interface Acs3Authorization {
  readonly accessKeyId: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/**
 * The ACS3-HMAC-SHA256 signature of a request in lower-case hex, computed from Alibaba's description and by nothing of
 * its SDKs (https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature).
 */
export function acs3Signature(request: SignedRequest, accessKeySecret: string): string {
  const names = [...request.signedHeaders].sort();
  const headers = names.map((name) => `${name}:${(request.headers[name] ?? '').trim()}\n`).join('');
  const canonical = [
    request.method,
    request.path,
    canonicalQuery(request.query),
    headers,
    names.join(';'),
    request.bodySha256,
  ].join('\n');
  const stringToSign = `ACS3-HMAC-SHA256\n${createHash('sha256').update(canonical).digest('hex')}`;
  return createHmac('sha256', accessKeySecret).update(stringToSign).digest('hex');
}

/** Reads `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=a;b,Signature=…`; undefined for anything else. */
export function parseAuthorization(header: string | undefined): Acs3Authorization | undefined {
  const parts = /^ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
    header ?? '',
  );
  const [, accessKeyId, signedHeaders, signature] = parts ?? [];
  if (accessKeyId === undefined || signedHeaders === undefined || signature === undefined) return undefined;
  return { accessKeyId, signedHeaders: signedHeaders.split(';'), signature };
}
