import { createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { signedHeaders, stringToSign } from '../../../src/alibaba/kms-instance-signature.ts';
import { makeClientKey } from '../../support/client-keys.ts';

// Sign(KeyId "key-1", Message sha256("x"), DIGEST, RSA_PSS_SHA_256), as Alibaba's Go SDK v0.5.1 sent it to a local server.
const body = Buffer.from(
  '0a056b65792d311a0f5253415f5053535f5348415f32353622202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48812a06444947455354',
  'hex',
);
const at = new Date('2026-01-02T03:04:05.678Z');
const signedText = [
  'POST',
  '7F72314EE5BD7D82AEC96ED52564878BD6960A8B958022A31A2D6CA4D194642B',
  'application/x-protobuf',
  'Fri, 02 Jan 2026 03:04:05 GMT',
  'x-kms-acccesskeyid:KAAP.test',
  'x-kms-apiname:Sign',
  'x-kms-apiversion:dkms-gcs-0.2',
  'x-kms-signaturemethod:RSA_PKCS1_SHA_256',
  '/',
].join('\n');

it('signs what Alibaba’s SDK signs, and sends the headers that it sends', async () => {
  const { privateKeyPem } = makeClientKey();
  const clientKey = { id: 'KAAP.test', privateKey: createPrivateKey(privateKeyPem) };
  const { authorization = '', ...headers } = await signedHeaders('Sign', body, clientKey, at);
  expect(headers).toEqual({
    accept: 'application/x-protobuf',
    'content-type': 'application/x-protobuf',
    date: 'Fri, 02 Jan 2026 03:04:05 GMT',
    'content-sha256': '7F72314EE5BD7D82AEC96ED52564878BD6960A8B958022A31A2D6CA4D194642B',
    'x-kms-acccesskeyid': 'KAAP.test',
    'x-kms-apiname': 'Sign',
    'x-kms-apiversion': 'dkms-gcs-0.2',
    'x-kms-signaturemethod': 'RSA_PKCS1_SHA_256',
  });
  expect(stringToSign(headers)).toBe(signedText);
  const [scheme, signature = ''] = authorization.split(' ');
  expect(scheme).toBe('Bearer');
  const publicKey = createPublicKey(privateKeyPem);
  expect(verify('sha256', Buffer.from(signedText), publicKey, Buffer.from(signature, 'base64'))).toBe(true);
});

it('signs nothing but these headers', () => {
  const headers = {
    date: 'd',
    'content-type': 't',
    'content-sha256': 's',
    'x-kms-b': ' 2 ',
    'x-kms-a': '1',
    host: 'h',
  };
  expect(stringToSign(headers)).toBe('POST\ns\nt\nd\nx-kms-a:1\nx-kms-b:2\n/');
});
