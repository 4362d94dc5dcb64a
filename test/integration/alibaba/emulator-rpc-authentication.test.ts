import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { rpcSignature } from '../../emulator/rpc-signature.ts';
import { sample } from '../../emulator/sample-config.ts';
import type { Emulator } from '../../emulator/start-emulator.ts';
import { startAccount } from './account.ts';

interface Change {
  /** Signed; undefined leaves a parameter out. */
  readonly parameters?: Record<string, string | undefined>;
  /** Sent, and not signed. */
  readonly unsigned?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly method?: 'GET' | 'POST';
  readonly signedMethod?: string;
  /** Names of parameters that go into a form body. */
  readonly inForm?: readonly string[];
}

const minuteMs = 60_000;

function timestamp(offsetMs: number): string {
  return new Date(Date.now() + offsetMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** A call to STS, signed by HMAC-SHA1 in its parameters; `change` spoils it. */
async function call(emulator: Emulator, secret: string, change: Change = {}) {
  const { method = 'POST', inForm = [] } = change;
  const given: Record<string, string | undefined> = {
    Action: 'GetCallerIdentity',
    Version: '2015-04-01',
    Format: 'JSON',
    AccessKeyId: sample.worker.accessKeyId,
    SignatureMethod: 'HMAC-SHA1',
    SignatureVersion: '1.0',
    SignatureNonce: randomUUID(),
    Timestamp: timestamp(0),
    ...change.parameters,
  };
  const sent = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) sent.append(name, value);
  sent.append('Signature', rpcSignature(change.signedMethod ?? method, sent, secret));
  for (const [name, value] of Object.entries(change.unsigned ?? {})) sent.append(name, value);
  const query = new URLSearchParams([...sent].filter(([name]) => !inForm.includes(name)));
  const form = new URLSearchParams([...sent].filter(([name]) => inForm.includes(name)));
  const response = await fetch(`${emulator.url}/?${query}`, {
    method,
    headers: change.headers ?? {},
    ...(inForm.length === 0 ? {} : { body: form }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const assumeRole = { Action: 'AssumeRole', RoleArn: sample.roleArn, RoleSessionName: 'rpc' };

describe('the emulator, signed by HMAC-SHA1 in the parameters', () => {
  it.each<[string, Change]>([
    ['POST with a query', {}],
    ['GET', { method: 'GET' }],
    ['POST with a form', { inForm: ['Action', 'Version', 'AccessKeyId', 'SignatureNonce', 'Signature', 'Timestamp'] }],
    ['14 minutes off', { parameters: { Timestamp: timestamp(-14 * minuteMs) } }],
  ])('takes %s', async (_, change) => {
    const { emulator, accessKeySecret } = await startAccount();
    const { status, body } = await call(emulator, accessKeySecret, change);
    expect(status).toBe(200);
    expect(body).toMatchObject({ Arn: sample.worker.arn, AccountId: sample.accountId });
  });

  it('takes a session with its token, until it ends', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const session = await openSession(emulator, accessKeySecret);
    const now = () => call(emulator, session.secret, { parameters: session.parameters });
    expect((await now()).body['Arn']).toMatch(/:assumed-role\/.*\/rpc$/);
    emulator.expireSessions();
    expect((await now()).body).toMatchObject({ Code: 'InvalidSecurityToken.Expired' });
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['another token', { SecurityToken: 'x' }],
    ['no token', { SecurityToken: undefined }],
  ])('refuses a session with %s', async (_, token) => {
    const { emulator, accessKeySecret } = await startAccount();
    const { secret, parameters } = await openSession(emulator, accessKeySecret);
    const { body } = await call(emulator, secret, { parameters: { ...parameters, ...token } });
    expect(body).toMatchObject({ Code: 'InvalidSecurityToken.Malformed' });
  });

  it.each<[string, number, string, Change]>([
    ['a parameter added after signing', 400, 'SignatureDoesNotMatch', { unsigned: { DurationSeconds: '43200' } }],
    ['a parameter sent twice', 400, 'IncompleteSignature', { unsigned: { Timestamp: timestamp(0) } }],
    ['another method than was signed', 400, 'SignatureDoesNotMatch', { signedMethod: 'GET' }],
    ['SHA-256 in place of SHA-1', 400, 'IncompleteSignature', { parameters: { SignatureMethod: 'HMAC-SHA256' } }],
    ['another version of the signature', 400, 'IncompleteSignature', { parameters: { SignatureVersion: '2.0' } }],
    ['an unknown access key', 404, 'InvalidAccessKeyId.NotFound', { parameters: { AccessKeyId: 'LTAI-other' } }],
    ['no nonce', 400, 'MissingParameter', { parameters: { SignatureNonce: undefined } }],
    [
      'a time 16 minutes ago',
      400,
      'InvalidTimeStamp.Expired',
      { parameters: { Timestamp: timestamp(-16 * minuteMs) } },
    ],
    ['a time that is none', 400, 'InvalidTimeStamp.Format', { parameters: { Timestamp: 'yesterday' } }],
    [
      'a token for a permanent key',
      400,
      'InvalidSecurityToken.MismatchWithAccessKey',
      { parameters: { SecurityToken: 't' } },
    ],
    [
      'an action that stands in an unsigned header alone',
      404,
      'InvalidAction.NotFound',
      { parameters: { Action: '' }, headers: { 'x-acs-action': 'GetCallerIdentity' } },
    ],
  ])('refuses %s', async (_, status, code, change) => {
    const { emulator, accessKeySecret } = await startAccount();
    expect(await call(emulator, accessKeySecret, change)).toMatchObject({ status, body: { Code: code } });
    expect(emulator.calls.at(-1)).toMatchObject({ status, code });
  });

  it('refuses a wrong secret, and a nonce that was used', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const parameters = { SignatureNonce: randomUUID() };
    expect((await call(emulator, 'wrong', { parameters })).body).toMatchObject({ Code: 'SignatureDoesNotMatch' });
    expect((await call(emulator, accessKeySecret, { parameters })).status).toBe(200);
    expect((await call(emulator, accessKeySecret, { parameters })).body).toMatchObject({ Code: 'SignatureNonceUsed' });
  });

  it('remembers calls without key, token and signature', async () => {
    const { emulator, accessKeySecret } = await startAccount();
    const { secret, parameters } = await openSession(emulator, accessKeySecret);
    await call(emulator, secret, { parameters: { ...parameters, Note: 'x' } });
    expect(emulator.calls.map(({ query }) => query)).toEqual([
      { RoleArn: sample.roleArn, RoleSessionName: 'rpc' },
      { Note: 'x' },
    ]);
  });
});

async function openSession(emulator: Emulator, accessKeySecret: string) {
  const { body } = await call(emulator, accessKeySecret, { parameters: assumeRole });
  const { AccessKeyId, AccessKeySecret, SecurityToken } = body['Credentials'] as Record<string, string>;
  return { secret: AccessKeySecret ?? '', parameters: { AccessKeyId, SecurityToken } };
}
