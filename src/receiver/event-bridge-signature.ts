import { type KeyObject, verify } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { SignedForm } from '../ports/delivery-capture.ts';
import { readCertificateUrl } from './certificate-url.ts';

/** What the headers of a delivery say, checked as far as that goes without the key. */
export interface SignedDelivery {
  readonly certificateUrl: URL;
  readonly signature: Uint8Array;
  /** The names and values that are signed, in their order. */
  readonly lines: readonly string[];
}

/** How far the time of a delivery may be from ours, in milliseconds; EventBridge's own rule for the past. */
const windowMs = 60_000;

export const tokenHeader = 'x-eventbridge-signature-token';
const signatureHeader = 'x-eventbridge-signature-v2';
const timestampHeader = 'x-eventbridge-signature-timestamp';
const urlHeader = 'x-eventbridge-signature-url';
const fixed = { 'x-eventbridge-hash-method': 'SHA256', 'x-eventbridge-signature-version': '1.0' } as const;

/**
 * Reads the headers of EventBridge's second signature (RSA over SHA-256). The first one (HMAC-SHA1) is no proof here.
 * https://help.aliyun.com/en/eventbridge/user-guide/signature-algorithm
 * @returns what is signed, or the reason why the delivery is refused
 */
export function readSignedDelivery(
  headers: IncomingHttpHeaders,
  { region, now }: { readonly region: string; readonly now: Date },
): SignedDelivery | string {
  const signature = readBase64(headers[signatureHeader]);
  if (signature === undefined) {
    return headers['x-eventbridge-signature'] === undefined
      ? `${signatureHeader} is missing or is not base64`
      : `${signatureHeader} is missing: the older signature, HMAC-SHA1, is not accepted`;
  }
  for (const [name, value] of Object.entries(fixed)) {
    if (headers[name] !== value) return `${name} is not ${value}`;
  }
  const timestamp = headers[timestampHeader];
  if (typeof timestamp !== 'string' || !/^\d{13}$/.test(timestamp)) {
    return `${timestampHeader} is not a time in milliseconds`;
  }
  if (Math.abs(now.getTime() - Number(timestamp)) > windowMs) {
    return `${timestampHeader} is more than ${windowMs / 1_000} seconds from the time here; look at the clock of this machine`;
  }
  const url = headers[urlHeader];
  const certificateUrl = typeof url === 'string' ? readCertificateUrl(url, region) : undefined;
  if (certificateUrl === undefined) return `${urlHeader} is not a certificate of EventBridge in ${region}`;
  const names = [timestampHeader, ...Object.keys(fixed), urlHeader, tokenHeader];
  return { certificateUrl, signature, lines: names.map((name) => `${name}: ${String(headers[name])}`) };
}

/**
 * Over which form of the body one of `keys` made the signature of a delivery; undefined: over none. What is signed is the target's URL, the header lines and the
 * body. The documented form ends with the body; the one that Alibaba's own library builds has a line feed after it
 * (aliyun/alibabacloud-eventbridge-sdk, StringToSignBuilder.java). Which of them is sent is not known here, and JSON is
 * the same with and without it, so both count.
 * @param url of the HTTP target, as it is written in EventBridge; never the one that this request seems to have
 */
export function findSignedForm(
  keys: readonly KeyObject[],
  { signature, lines }: SignedDelivery,
  { url, body }: { readonly url: string; readonly body: Uint8Array },
): SignedForm | undefined {
  const documented = Buffer.concat([Buffer.from(`${[url, ...lines].join('\n')}\n`), body]);
  const withLineFeed = Buffer.concat([documented, Buffer.from('\n')]);
  const isSigned = (text: Uint8Array) => keys.some((key) => verify('RSA-SHA256', text, key, signature));
  if (isSigned(documented)) return 'body';
  return isSigned(withLineFeed) ? 'body-and-line-feed' : undefined;
}

function readBase64(text: string | string[] | undefined): Uint8Array | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  return Buffer.from(text, 'base64');
}
