import { createHmac } from 'node:crypto';
import { canonicalQuery, percentEncode } from './percent-encode.ts';

/** Parameters that belong to every request that is signed so, and to no action. */
const commonParameters = [
  'Action',
  'Version',
  'Format',
  'AccessKeyId',
  'SecurityToken',
  'Signature',
  'SignatureMethod',
  'SignatureNonce',
  'SignatureVersion',
  'Timestamp',
];

/**
 * The older signature, HMAC-SHA1 of version 1.0, in base64, over the parameters of query and form body; `Signature` itself
 * is left out (https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism).
 */
export function rpcSignature(method: string, parameters: URLSearchParams, accessKeySecret: string): string {
  const signed = new URLSearchParams([...parameters].filter(([name]) => name !== 'Signature'));
  const stringToSign = [method, percentEncode('/'), percentEncode(canonicalQuery(signed))].join('&');
  return createHmac('sha1', `${accessKeySecret}&`).update(stringToSign).digest('base64');
}

/** The parameters of the action itself. */
export function ownParameters(parameters: URLSearchParams): URLSearchParams {
  return new URLSearchParams([...parameters].filter(([name]) => !commonParameters.includes(name)));
}
