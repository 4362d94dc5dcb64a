import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { KmsCall } from '../../../src/alibaba/kms-call.ts';
import { createKmsKey } from '../../../src/alibaba/kms-key.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { sample } from '../../emulator/sample-config.ts';
import type { Emulator } from '../../emulator/start-emulator.ts';
import { allTextOf, failureOf, keySource, permanentKey, startAccount, timeouts } from './account.ts';

const message = Buffer.from('what is signed');
const fail = (status: number, code: string, body?: string) => (emulator: Emulator) => {
  emulator.faults.failNext = { count: 1, status, code, body, action: 'AsymmetricSign' };
};

describe('a KMS key fails as', () => {
  it.each<[string, string, (emulator: Emulator) => void, RegExp]>([
    ['kms-throttled', 'throttled', (e) => (e.faults.throttleNext = 1), /Rejected\.Throttling.*quota/],
    ['kms-unreachable', 'out of order', fail(503, 'ServiceUnavailableTemporary'), /ServiceUnavailableTemporary/],
    ['kms-unreachable', 'failing inside', fail(500, 'InternalFailure'), /InternalFailure/],
    ['kms-unreachable', 'behind a broken gateway', fail(502, '', '<html>Bad gateway</html>'), /no usable answer/],
    ['kms-unreachable', 'answering nonsense', fail(200, '', 'not JSON'), /no usable answer/],
    ['kms-unreachable', 'redirecting', fail(302, '', '{}'), /unexpected HTTP status 302/],
    ['kms-unreachable', 'answering something else', fail(200, '', '{"RequestId":"1"}'), /not as documented.*Value/],
    ['key-unusable', 'disabled', (e) => e.setKeyState(sample.keys.EC_P256, 'Disabled'), /Rejected\.Disabled.*Enable/],
    ['key-unusable', 'to be deleted', (e) => e.setKeyState(sample.keys.EC_P256, 'PendingDeletion'), /PendingDeletion/],
    ['key-unusable', 'in debt', fail(403, 'Forbidden.InDebt'), /Forbidden\.InDebt/],
    ['credentials-missing', 'over', fail(400, 'InvalidSecurityToken.Expired'), /InvalidSecurityToken\.Expired/],
  ])('%s when it is %s, and works again afterwards', async (code, _, spoil, reason) => {
    const { key, emulator } = await startAccount();
    const kms = key();
    await kms.getPublicKey();
    spoil(emulator);
    const error = await failureOf(kms.sign('ECDSA_SHA_256', message));
    expect(error).toMatchObject({ code, message: expect.stringMatching(reason) });
    emulator.setKeyState(sample.keys.EC_P256, 'Enabled');
    await kms.sign('ECDSA_SHA_256', message);
  });

  it.each([
    ['another key', { keyId: 'key-none' }, /Forbidden\.KeyNotFound/],
    ['an alias', { keyId: 'alias/none' }, /Forbidden\.AliasNotFound|Forbidden\.NoPermission/],
    ['another version', { keyVersionId: 'version-9' }, /Forbidden\.KeyVersionNotFound.*keyVersionId/],
    ['another region', { region: 'cn-beijing' }, /Forbidden\.NoPermission/],
  ])('key-unusable for %s', async (_, change, reason) => {
    const { key } = await startAccount();
    const error = await failureOf(key(change).sign('ECDSA_SHA_256', message));
    expect(error).toMatchObject({ code: 'key-unusable', message: expect.stringMatching(reason) });
  });

  it('key-unusable for an algorithm that its spec cannot do', async () => {
    const { key } = await startAccount();
    const error = await failureOf(key().sign('RSA_PSS_SHA_256', message));
    expect(error).toMatchObject({ code: 'key-unusable', message: expect.stringContaining('InvalidParameter') });
  });

  it('key-unusable for a key that is for encryption', async () => {
    const versions = [{ keyVersionId: 'v' }];
    const { key } = await startAccount({
      keys: [{ keyId: 'key-encrypts', spec: 'EC_P256', usage: 'ENCRYPT/DECRYPT', versions }],
    });
    const kms = key({ keyId: 'key-encrypts', keyVersionId: 'v' });
    expect(await kms.describe()).toMatchObject({ usage: 'ENCRYPT/DECRYPT' });
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'key-unusable' });
  });

  it('key-unusable when KMS answers for another version than the pinned one', async () => {
    const { key, emulator } = await startAccount();
    const kms = key();
    await kms.getPublicKey();
    const body = { KeyId: sample.keys.EC_P256, KeyVersionId: 'version-2', RequestId: '1', Value: 'MAYCAQECAQE=' };
    fail(200, '', JSON.stringify(body))(emulator);
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'key-unusable',
      message: expect.stringMatching(/asked for .* version-1, KMS answered for .* version-2/),
    });
  });

  it('kms-unreachable when connections are cut', async () => {
    const { key, emulator } = await startAccount();
    emulator.faults.down = true;
    expect(await failureOf(key().sign('ECDSA_SHA_256', message))).toMatchObject({ code: 'kms-unreachable' });
  });

  it('kms-unreachable when nobody listens', async () => {
    const port = await closedPort();
    const { base } = await startAccount();
    const source = keySource(`http://127.0.0.1:${port}`);
    const kms = createKmsKey({ source, base, clock: systemClock, timeouts });
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'kms-unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('kms-unreachable when the answer takes longer than the read timeout', async () => {
    const { base, emulator } = await startAccount();
    emulator.faults.latencyMs = 5_000;
    const short = { connectTimeoutMs: 200, readTimeoutMs: 200 };
    const kms = createKmsKey({ source: keySource(emulator.url), base, clock: systemClock, timeouts: short });
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'kms-unreachable',
      message: expect.stringContaining('RequestTimeoutError'),
    });
  });
});

describe('calls to KMS', () => {
  it('are told of one by one, with how each ended', async () => {
    const { emulator, base } = await startAccount();
    const calls: KmsCall[] = [];
    const onCall = (call: KmsCall) => void calls.push(call);
    const kms = createKmsKey({ source: keySource(emulator.url), base, clock: systemClock, timeouts, onCall });
    await kms.describe();
    await kms.sign('ECDSA_SHA_256', message);
    emulator.faults.throttleNext = 1;
    expect(await failureOf(kms.sign('ECDSA_SHA_256', message))).toMatchObject({
      code: 'kms-throttled',
      requestId: emulator.calls.at(-1)?.requestId,
    });
    fail(500, 'InternalFailure')(emulator);
    await failureOf(kms.sign('ECDSA_SHA_256', message));
    expect(calls.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'DescribeKey ok',
      'AsymmetricSign ok',
      'AsymmetricSign throttled',
      'AsymmetricSign failed',
    ]);
  });

  it('are none when the role cannot be assumed', async () => {
    const { emulator } = await startAccount();
    const calls: KmsCall[] = [];
    const onCall = (call: KmsCall) => void calls.push(call);
    const base = permanentKey('wrong');
    const kms = createKmsKey({ source: keySource(emulator.url), base, clock: systemClock, timeouts, onCall });
    await failureOf(kms.sign('ECDSA_SHA_256', message));
    expect(calls).toEqual([]);
  });
});

describe('no failure tells a secret', () => {
  const externalId = 'external-id-not-for-logs';

  it('whatever fails, in text, fields and causes', async () => {
    const { emulator, source, accessKeySecret, base } = await startAccount();
    const texts: string[] = [];
    const wrong = permanentKey('wrong-secret-not-for-logs');
    for (const identity of [wrong, base]) {
      const kms = createKmsKey({ source: source({ externalId }), base: identity, clock: systemClock, timeouts });
      texts.push(allTextOf(await failureOf(kms.sign('RSA_PSS_SHA_256', message))));
    }
    emulator.faults.down = true;
    const cut = createKmsKey({ source: source({ externalId }), base, clock: systemClock, timeouts });
    texts.push(allTextOf(await failureOf(cut.getPublicKey())), JSON.stringify(emulator.calls));
    const all = texts.join('\n');
    expect(all).toContain('AssumeRole');
    for (const secret of [accessKeySecret, 'wrong-secret-not-for-logs', externalId]) expect(all).not.toContain(secret);
  });

  it('even when the service quotes the whole request', async () => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      const token = String(request.headers['x-acs-security-token']);
      seen.push(token);
      const Message = `server CanonicalRequest is [x-acs-security-token:${token}]`;
      response.writeHead(400).end(JSON.stringify({ Code: 'SignatureDoesNotMatch', Message, RequestId: '1' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { base, emulator } = await startAccount();
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const source = { ...keySource(emulator.url), endpoint };
    const kms = createKmsKey({ source, base, clock: systemClock, timeouts });
    const error = await failureOf(kms.getPublicKey());
    expect(error).toMatchObject({ code: 'credentials-missing' });
    expect(seen[0]?.length).toBeGreaterThan(100);
    expect(allTextOf(error)).not.toContain(seen[0]);
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
