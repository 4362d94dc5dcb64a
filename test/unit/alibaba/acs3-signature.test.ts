import { createHash } from 'node:crypto';
import { OpenApiUtil } from '@alicloud/openapi-core';
import { describe, expect, it } from 'vitest';
import { acs3Signature, parseAuthorization } from '../../emulator/acs3-signature.ts';

// A vector that the SDK and an independent computation agree on; the query has characters that must be escaped.
const query = { Algorithm: 'RSA_PSS_SHA_256', Digest: 'ZGln+/=', KeyId: 'k', KeyVersionId: 'v' };
const emptySha256 = createHash('sha256').digest('hex');
const headers = {
  host: 'kms.cn-hangzhou.aliyuncs.com',
  'x-acs-action': 'AsymmetricSign',
  'x-acs-version': '2016-01-20',
  'x-acs-date': '2026-01-02T03:04:05Z',
  'x-acs-signature-nonce': '0123456789abcdef',
  'x-acs-content-sha256': emptySha256,
};
const known = '08d2d34673465ca1c8af7ac154a4ad336956b7bedc512bcd8bd5b85910431aa2';
const request = {
  method: 'POST',
  path: '/',
  query: new URLSearchParams(query),
  headers,
  signedHeaders: Object.keys(headers),
  bodySha256: emptySha256,
};

describe('the emulator’s ACS3-HMAC-SHA256', () => {
  it('gives the known answer', () => {
    expect(acs3Signature(request, 'testsecret')).toBe(known);
  });

  it('agrees with what the client library writes', () => {
    const header = OpenApiUtil.getAuthorization(
      { method: 'POST', pathname: '/', query, headers } as never,
      'ACS3-HMAC-SHA256',
      emptySha256,
      'testak',
      'testsecret',
    );
    const parsed = parseAuthorization(header);
    expect(parsed).toEqual({ accessKeyId: 'testak', signedHeaders: Object.keys(headers).sort(), signature: known });
  });

  it('gives the known answer for parameters in a form body', () => {
    // Computed by Python's hmac and hashlib.
    const bodySha256 = createHash('sha256').update('KeyId=k&Digest=ZGln%2B%2F%3D').digest('hex');
    const withBody = {
      ...headers,
      'content-type': 'application/x-www-form-urlencoded',
      'x-acs-content-sha256': bodySha256,
    };
    const signature = acs3Signature(
      {
        ...request,
        query: new URLSearchParams({ KeyVersionId: 'v' }),
        headers: withBody,
        signedHeaders: Object.keys(withBody),
        bodySha256,
      },
      'testsecret',
    );
    expect(signature).toBe('ea330b760ba05a720decd26678dbf4fb4f85cd6e33478ed6160bf5413e38bf29');
  });

  it.each([
    ['method', { method: 'GET' }],
    ['path', { path: '/x' }],
    ['query', { query: new URLSearchParams({ ...query, KeyId: 'other' }) }],
    ['header', { headers: { ...headers, 'x-acs-action': 'GetPublicKey' } }],
    ['body', { bodySha256: createHash('sha256').update('x').digest('hex') }],
  ])('differs when the %s differs', (_, change) => {
    expect(acs3Signature({ ...request, ...change }, 'testsecret')).not.toBe(known);
  });

  it.each([
    undefined,
    '',
    'Bearer abc',
    'ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host',
    `ACS3-HMAC-SM3 Credential=a,SignedHeaders=host,Signature=${known}`,
  ])('reads no authorization from %j', (header) => {
    expect(parseAuthorization(header)).toBeUndefined();
  });
});
