import { notASignature } from './read-json.ts';

/**
 * Strict decoding: no other alphabet, no line breaks, no padding but the right one, no stray bits, so that two texts
 * never stand for the same bytes.
 * @param what names the part for messages
 * @throws AutosignError `manifest-invalid`
 */
export function decodeBase64(text: string, encoding: 'base64' | 'base64url', what: string): Uint8Array {
  const bytes = Buffer.from(text, encoding);
  if (bytes.toString(encoding) !== text) {
    const form = encoding === 'base64' ? 'standard base64' : 'base64url without padding (RFC 7515, section 2)';
    throw notASignature(`the ${what} is not ${form}`);
  }
  return new Uint8Array(bytes);
}

/** Bytes or UTF-8 text as base64url without padding. */
export function encodeBase64Url(content: Uint8Array | string): string {
  return Buffer.from(content).toString('base64url');
}
