import { constants, createHash, createPrivateKey, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeMessage, instanceMessages } from '../../../src/alibaba/kms-instance-messages.ts';
import { encodeRefusal } from '../../emulator/kms-instance.ts';
import { OpenApiError } from '../../emulator/openapi-error.ts';
import { makeClientKey } from '../../support/client-keys.ts';
import { signingKey } from '../../support/signing-keys.ts';
import { startAccount } from './account.ts';

const made = makeClientKey();

// Sign(KeyId "key-1", Message sha256("x"), DIGEST, RSA_PSS_SHA_256), and the refusal 429 Rejected.Throttling, as recorded
// from Alibaba's Go SDK v0.5.1.
const body = Buffer.from(
  '0a056b65792d311a0f5253415f5053535f5348415f32353622202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48812a06444947455354',
  'hex',
);
const contentSha256 = '7F72314EE5BD7D82AEC96ED52564878BD6960A8B958022A31A2D6CA4D194642B';
const refusalBody = '08ad03121352656a65637465642e5468726f74746c696e671a035150532203726964';

type Headers = Record<string, string>;

/** Signs as the documentation says, by nothing of our client. */
function signed(headers: Headers, scheme: string): Headers {
  const names = ['x-kms-acccesskeyid', 'x-kms-apiname', 'x-kms-apiversion', 'x-kms-signaturemethod'];
  const lines = names.filter((name) => name in headers).map((name) => `${name}:${headers[name]}\n`);
  const text = `POST\n${headers['content-sha256']}\n${headers['content-type']}\n${headers['date']}\n${lines.join('')}/`;
  const key = { key: createPrivateKey(made.privateKeyPem), padding: constants.RSA_PKCS1_PADDING };
  return { ...headers, authorization: `${scheme} ${sign('sha256', Buffer.from(text), key).toString('base64')}` };
}

interface Change {
  /** Before it is signed; undefined takes a header away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly scheme?: string;
  /** After it was signed. */
  readonly afterwards?: (headers: Headers) => Headers;
  readonly sent?: Uint8Array;
}

/** Posts the recorded request, signed now, with a change; answers status and code. */
async function post({ headers = {}, scheme = 'Bearer', afterwards = (same) => same, sent = body }: Change = {}) {
  const versions = [{ keyVersionId: 'v', privateKeyPem: signingKey('RSA_2048').privateKeyPem }];
  const { emulator } = await startAccount({
    keys: [{ keyId: 'key-1', spec: 'RSA_2048', versions }],
    clientKeys: [{ id: made.id, publicKeyPem: made.publicKeyPem }],
  });
  const all = {
    'content-type': 'application/x-protobuf',
    'content-sha256': contentSha256,
    date: new Date().toUTCString(),
    'x-kms-acccesskeyid': made.id,
    'x-kms-apiname': 'Sign',
    'x-kms-apiversion': 'dkms-gcs-0.2',
    'x-kms-signaturemethod': 'RSA_PKCS1_SHA_256',
    ...headers,
  };
  const present = Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const answer = await fetch(emulator.url, {
    method: 'POST',
    headers: afterwards(signed(present, scheme)),
    body: Buffer.from(sent),
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const { ErrorCode, ErrorMessage, StatusCode } = decodeMessage(
    instanceMessages.Error,
    answer.ok ? new Uint8Array() : bytes,
  );
  return { status: answer.status, bytes, code: ErrorCode, message: ErrorMessage, statusInBody: StatusCode };
}

const minutesAway = (minutes: number) => new Date(Date.now() + minutes * 60_000).toUTCString();

describe('the emulated KMS instance', () => {
  it.each(['Bearer', 'TOKEN'])('takes the recorded request with a signature under %s', async (scheme) => {
    const { status, bytes } = await post({ scheme });
    expect(status).toBe(200);
    expect(createHash('sha256').update(body).digest('hex').toUpperCase()).toBe(contentSha256);
    const answer = decodeMessage(instanceMessages.SignResponse, bytes);
    expect(answer).toMatchObject({ KeyId: 'key-1', Algorithm: 'RSA_PSS_SHA_256', MessageType: 'DIGEST' });
    expect(answer.Signature).toHaveLength(256);
  });

  it('takes a clock that is 14 minutes off', async () => {
    for (const minutes of [14, -14])
      expect(await post({ headers: { date: minutesAway(minutes) } })).toMatchObject({ status: 200 });
  });

  it('refuses in the recorded bytes', () => {
    const bytes = encodeRefusal(new OpenApiError(429, 'Rejected.Throttling', 'QPS'), 'rid');
    expect(Buffer.from(bytes).toString('hex')).toBe(refusalBody);
  });

  it.each([
    ['no version', { headers: { 'x-kms-apiversion': undefined } }, 400, 'InvalidApiVersion'],
    ['another version', { headers: { 'x-kms-apiversion': 'dkms-gcs-0.1' } }, 400, 'InvalidApiVersion'],
    ['an unknown name', { headers: { 'x-kms-apiname': 'SignAll' } }, 400, 'InvalidApiName'],
    ['a date in another form', { headers: { date: '2026-01-02T03:04:05Z' } }, 400, 'InvalidParam'],
    ['no signature method', { headers: { 'x-kms-signaturemethod': undefined } }, 400, 'InvalidParam'],
    ['another signature method', { headers: { 'x-kms-signaturemethod': 'HMAC-SHA1' } }, 400, 'InvalidParam'],
    ['no id of a ClientKey', { headers: { 'x-kms-acccesskeyid': undefined } }, 400, 'MissingParameter'],
    [
      'an id with two c’s',
      { headers: { 'x-kms-acccesskeyid': undefined, 'x-kms-accesskeyid': made.id } },
      400,
      'MissingParameter',
    ],
    ['no authorization', { afterwards: ({ authorization: _, ...rest }: Headers) => rest }, 400, 'MissingParameter'],
    ['a clock 16 minutes fast', { headers: { date: minutesAway(16) } }, 400, 'RequestTimeTooSkewed'],
    ['a clock 16 minutes slow', { headers: { date: minutesAway(-16) } }, 400, 'RequestTimeTooSkewed'],
    ['an unknown ClientKey', { headers: { 'x-kms-acccesskeyid': 'KAAP.nobody' } }, 404, 'Unauthorized'],
    ['another scheme', { scheme: 'Basic' }, 401, 'SignatureNotMatch'],
    ['a hash in lower case', { headers: { 'content-sha256': contentSha256.toLowerCase() } }, 401, 'SignatureNotMatch'],
    ['another body', { sent: Buffer.from('0a016b', 'hex') }, 401, 'SignatureNotMatch'],
    [
      'a header that was changed after it',
      { afterwards: (headers: Headers) => ({ ...headers, 'x-kms-apiname': 'Verify' }) },
      401,
      'SignatureNotMatch',
    ],
    [
      'a header that was added after it',
      { afterwards: (headers: Headers) => ({ ...headers, 'x-kms-more': '1' }) },
      401,
      'SignatureNotMatch',
    ],
  ] as const)('refuses %s', async (_, change, status, code) => {
    expect(await post(change)).toMatchObject({ status, code, statusInBody: status });
  });
});
