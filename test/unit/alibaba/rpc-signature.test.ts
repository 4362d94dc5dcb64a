import { OpenApiUtil } from '@alicloud/openapi-core';
import { describe, expect, it } from 'vitest';
import { ownParameters, rpcSignature } from '../../emulator/rpc-signature.ts';

// Computed by Python's hmac and urllib.parse; the values have all characters that encoders disagree on.
const parameters = {
  Action: 'AsymmetricSign',
  Version: '2016-01-20',
  Format: 'json',
  Timestamp: '2026-01-02T03:04:05Z',
  SignatureNonce: '0123456789abcdef',
  SignatureMethod: 'HMAC-SHA1',
  SignatureVersion: '1.0',
  AccessKeyId: 'testak',
  Algorithm: 'RSA_PSS_SHA_256',
  Digest: 'ZGln+/=',
  KeyId: 'k',
  KeyVersionId: "v !*'()~é",
};
const known = { POST: 'y8ryo0oH5sioJs1J0reJ4U5SXtA=', GET: 'D1iVXU6VtyDIU7csls9ZUbcLqco=' };
const given = new URLSearchParams(parameters);

describe('the emulator’s HMAC-SHA1', () => {
  it.each(['POST', 'GET'] as const)('gives the known answer for %s', (method) => {
    expect(rpcSignature(method, given, 'testsecret')).toBe(known[method]);
  });

  it('gives it in any order of the parameters, and whatever the signature sent with them', () => {
    const sent = new URLSearchParams([['Signature', 'x'], ...[...given].reverse()]);
    expect(rpcSignature('POST', sent, 'testsecret')).toBe(known.POST);
  });

  it('agrees with what Alibaba’s library computes', () => {
    expect(OpenApiUtil.getRPCSignature(parameters, 'POST', 'testsecret')).toBe(known.POST);
  });

  it.each([
    ['a value', new URLSearchParams({ ...parameters, KeyId: 'other' }), 'testsecret'],
    ['a name', new URLSearchParams({ ...parameters, More: '' }), 'testsecret'],
    ['the token', new URLSearchParams({ ...parameters, SecurityToken: 't' }), 'testsecret'],
    ['the secret', given, 'testsecret2'],
  ])('differs when %s differs', (_, changed, secret) => {
    expect(rpcSignature('POST', changed, secret)).not.toBe(known.POST);
  });
});

it('leaves an action what is its own', () => {
  const own = ownParameters(new URLSearchParams({ ...parameters, SecurityToken: 't', Signature: 's' }));
  expect(Object.fromEntries(own)).toEqual({
    Algorithm: 'RSA_PSS_SHA_256',
    Digest: 'ZGln+/=',
    KeyId: 'k',
    KeyVersionId: "v !*'()~é",
  });
});
