import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { acs3Signature } from '../../emulator/acs3-signature.ts';
import { sample } from '../../emulator/sample-config.ts';
import type { Emulator } from '../../emulator/start-emulator.ts';
import { startAccount } from './account.ts';

interface Change {
  readonly headers?: Record<string, string>;
  /** Sent, and not signed. */
  readonly unsigned?: Record<string, string>;
  readonly method?: string;
  readonly path?: string;
  readonly sentBody?: string;
  /** A body that is signed. */
  readonly form?: string;
  readonly accessKeyId?: string;
}

/** A request to STS that this test signs itself; `change` spoils it. */
async function call(emulator: Emulator, secret: string, change: Change = {}) {
  const { method = 'POST', path = '/', accessKeyId = sample.worker.accessKeyId } = change;
  const bodySha256 = createHash('sha256')
    .update(change.form ?? '')
    .digest('hex');
  const headers: Record<string, string> = {
    host: emulator.host,
    'x-acs-action': 'GetCallerIdentity',
    'x-acs-version': '2015-04-01',
    'x-acs-date': timestamp(0),
    'x-acs-signature-nonce': randomUUID(),
    'x-acs-content-sha256': bodySha256,
    ...(change.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    ...change.headers,
  };
  const signedHeaders = Object.keys(headers).sort();
  const query = new URLSearchParams();
  const signature = acs3Signature({ method, path, query, headers, signedHeaders, bodySha256 }, secret);
  const authorization = `ACS3-HMAC-SHA256 Credential=${accessKeyId},SignedHeaders=${signedHeaders.join(';')},Signature=${signature}`;
  const body = change.sentBody ?? change.form;
  const response = await fetch(emulator.url + path, {
    method,
    headers: { authorization, ...headers, ...change.unsigned },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function timestamp(offsetMs: number): string {
  return new Date(Date.now() + offsetMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

const minuteMs = 60_000;

describe('the emulator', () => {
  it('takes a request that is signed right and is 14 minutes off', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const { status, body } = await call(emulator, accessKeySecret, {
      headers: { 'x-acs-date': timestamp(-14 * minuteMs) },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ Arn: sample.worker.arn, AccountId: sample.accountId });
  });

  it('takes parameters from a signed form, and says what it was asked with no secret', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const form = new URLSearchParams({ RoleArn: sample.roleArn, RoleSessionName: 'form', ExternalId: 'id-1' });
    const headers = { 'x-acs-action': 'AssumeRole' };
    expect(await call(emulator, accessKeySecret, { headers, form: form.toString() })).toMatchObject({ status: 200 });
    const query = { RoleArn: sample.roleArn, RoleSessionName: 'form', ExternalId: '…' };
    expect(emulator.calls.at(-1)).toMatchObject({ action: 'AssumeRole', query, status: 200 });
  });

  it('answers errors as Alibaba does', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const { body } = await call(emulator, accessKeySecret, { headers: { 'x-acs-action': 'NoSuchAction' } });
    expect(Object.keys(body).sort()).toEqual(['Code', 'HostId', 'Message', 'Recommend', 'RequestId']);
  });

  it.each<[string, number, string, Change]>([
    ['another path than was signed for a product', 404, 'InvalidAction.NotFound', { path: '/other' }],
    ['PUT', 403, 'UnsupportedHTTPMethod', { method: 'PUT' }],
    ['an unknown version', 404, 'InvalidVersion', { headers: { 'x-acs-version': '2000-01-01' } }],
    ['an unknown action', 404, 'InvalidAction.NotFound', { headers: { 'x-acs-action': 'DeleteEverything' } }],
    ['an unknown access key', 404, 'InvalidAccessKeyId.NotFound', { accessKeyId: 'LTAI-other' }],
    [
      'a time 16 minutes ago',
      400,
      'InvalidTimeStamp.Expired',
      { headers: { 'x-acs-date': timestamp(-16 * minuteMs) } },
    ],
    ['a time in 16 minutes', 400, 'InvalidTimeStamp.Expired', { headers: { 'x-acs-date': timestamp(16 * minuteMs) } }],
    ['a time that is none', 400, 'InvalidTimeStamp.Format', { headers: { 'x-acs-date': 'yesterday' } }],
    ['a header that the signature does not cover', 400, 'IncompleteSignature', { unsigned: { 'x-acs-more': '1' } }],
    [
      'a header changed after signing',
      400,
      'SignatureDoesNotMatch',
      { unsigned: { 'x-acs-date': timestamp(-5 * minuteMs) } },
    ],
    [
      'a body changed after signing',
      400,
      'SignatureDoesNotMatch',
      { unsigned: {}, sentBody: new URLSearchParams('a=b').toString() },
    ],
    ['a form changed after signing', 400, 'SignatureDoesNotMatch', { form: 'a=b', sentBody: 'a=c' }],
    [
      'a token for a permanent key',
      400,
      'InvalidSecurityToken.MismatchWithAccessKey',
      { headers: { 'x-acs-security-token': 't' } },
    ],
    ['no authorization', 400, 'IncompleteSignature', { unsigned: { authorization: 'Bearer x' } }],
  ])('refuses %s', async (_, status, code, change) => {
    const { emulator, accessKeySecret } = await startAccount();
    // fetch adds a content type to a body; it is signed here so that the body alone differs.
    const headers = {
      ...change.headers,
      ...(change.sentBody === undefined || change.form !== undefined
        ? {}
        : { 'content-type': 'text/plain;charset=UTF-8' }),
    };
    const answer = await call(emulator, accessKeySecret, { ...change, headers });
    expect(answer).toMatchObject({ status, body: { Code: code } });
    expect(emulator.calls.at(-1)).toMatchObject({ status, code });
  });

  it('refuses a nonce that was used', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const headers = { 'x-acs-signature-nonce': randomUUID() };
    expect((await call(emulator, accessKeySecret, { headers })).status).toBe(200);
    expect((await call(emulator, accessKeySecret, { headers })).body).toMatchObject({ Code: 'SignatureNonceUsed' });
  });

  it('refuses a config that would be wider than it looks', async () => {
    const policies = [{ Version: '1', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*', Condition: {} }] }];
    const users = [{ ...sample.worker, accessKeySecret: 'x', policies: policies as never }];
    await expect(startAccount({ users })).rejects.toThrow(/Condition/);
  });
});
