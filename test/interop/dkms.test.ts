import { constants, createHash, randomBytes, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { sample } from '../emulator/sample-config.ts';
import { startAccount } from '../integration/alibaba/account.ts';
import { makeClientKey } from '../support/client-keys.ts';
import { type LineProgram, startLineProgram } from '../support/line-program.ts';

interface Call {
  readonly endpoint: string;
  readonly clientKeyFile: string;
  readonly password: string;
  readonly api: 'Sign' | 'Verify' | 'GetPublicKey';
  readonly keyId: string;
  readonly algorithm?: string;
  /** Base64, as all bytes here. */
  readonly message?: string;
  readonly signature?: string;
  readonly retry?: boolean;
}

interface Answer {
  readonly keyId?: string;
  readonly algorithm?: string;
  readonly signature?: string;
  readonly value?: boolean;
  readonly publicKey?: string;
  readonly requestId?: string;
  readonly code?: string;
  readonly message?: string;
}

const program = inject('dkmsPath');
const content = randomBytes(50);
const message = createHash('sha256').update(content).digest('base64');
const directory = mkdtempSync(join(tmpdir(), 'autosign-dkms-'));
const made = makeClientKey();
// What Alibaba's files may be encrypted with besides.
const rc2 = makeClientKey({ encryption: 'PBE-SHA1-RC2-40' });
const other = makeClientKey({ fresh: true });

function fileOf(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}
const clientKeyFile = fileOf('client-key.json', made.fileText);
const rc2File = fileOf('rc2.json', rc2.fileText);
const otherFile = fileOf('other.json', other.fileText);
const otherUnderOurId = fileOf('other-key.json', other.fileText.replace(other.id, made.id));

afterAll(() => rmSync(directory, { recursive: true }));

describe.skipIf(program === undefined)('Alibaba’s Go SDK for KMS instances, unchanged, against the emulator', () => {
  let client: LineProgram<Call, Answer>;
  beforeAll(async () => {
    client = await startLineProgram<Call, Answer>(program ?? '', 30_000);
  });
  afterAll(() => client.stop());

  async function open() {
    const { emulator } = await startAccount({
      clientKeys: [made, rc2].map(({ id, publicKeyPem }) => ({ id, publicKeyPem })),
    });
    const base = { endpoint: emulator.host, clientKeyFile, password: made.password, keyId: sample.keys.EC_P256 };
    const sign = (call: Partial<Call> = {}) =>
      client.ask({ ...base, api: 'Sign', algorithm: 'ECDSA_SHA_256', message, ...call });
    return { emulator, base, sign };
  }

  test.each([
    ['RSA_2048', 'RSA_PSS_SHA_256', { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }],
    ['RSA_2048', 'RSA_PKCS1_SHA_256', {}],
    ['EC_P256', 'ECDSA_SHA_256', {}],
  ] as const)(
    'signs, verifies and gets the public key of a key of spec %s with %s',
    async (spec, algorithm, options) => {
      const { emulator, base, sign } = await open();
      const keyId = sample.keys[spec];
      const signed = await sign({ keyId, algorithm });
      expect(signed).toMatchObject({ keyId, algorithm, requestId: emulator.calls[0]?.requestId });
      const { publicKey = '' } = await client.ask({ ...base, api: 'GetPublicKey', keyId });
      const { signature = '' } = signed;
      expect(verify('sha256', content, { key: publicKey, ...options }, Buffer.from(signature, 'base64'))).toBe(true);
      const check = (text: string) =>
        client.ask({
          ...base,
          api: 'Verify',
          keyId,
          algorithm,
          signature,
          message: createHash('sha256').update(text).digest('base64'),
        });
      expect(await client.ask({ ...base, api: 'Verify', keyId, algorithm, signature, message })).toMatchObject({
        value: true,
      });
      expect(await check('something else')).toMatchObject({ value: false });
      expect(emulator.calls.map(({ action, status }) => `${action} ${status}`)).toEqual([
        'Sign 200',
        'GetPublicKey 200',
        'Verify 200',
        'Verify 200',
      ]);
    },
  );

  test('takes a ClientKey file whose PKCS#12 has RC2-40 bags', async () => {
    const { sign } = await open();
    expect(await sign({ clientKeyFile: rc2File, password: rc2.password })).toMatchObject({
      algorithm: 'ECDSA_SHA_256',
    });
  });

  test('reports SignatureNotMatch for a wrong secret', async () => {
    const { sign, emulator } = await open();
    const answer = await sign({ clientKeyFile: otherUnderOurId, password: other.password });
    expect(answer).toMatchObject({ code: 'SignatureNotMatch', message: 'Signature is not matched.' });
    expect(emulator.calls).toMatchObject([{ status: 401, caller: undefined }]);
  });

  test('reports Unauthorized for a ClientKey that the instance does not know', async () => {
    const { sign } = await open();
    const answer = await sign({ clientKeyFile: otherFile, password: other.password });
    expect(answer).toMatchObject({ code: 'Unauthorized', message: expect.stringContaining(other.id) });
  });

  test('reports SignatureNotMatch for a body that was changed on its way', async () => {
    const { sign, emulator } = await open();
    const endpoint = await startChangingProxy(emulator.host);
    expect(await sign({ endpoint })).toMatchObject({ code: 'SignatureNotMatch' });
  });

  test('reports Rejected.Throttling for a throttled call, and gets over it by its own retries', async () => {
    const { sign, emulator } = await open();
    emulator.faults.throttleNext = 1;
    expect(await sign()).toMatchObject({ code: 'Rejected.Throttling', message: 'QPS Limit Exceeded' });
    emulator.faults.throttleNext = 1;
    expect(await sign({ retry: true })).toMatchObject({ keyId: sample.keys.EC_P256 });
    expect(emulator.calls.map(({ status }) => status)).toEqual([400, 400, 200]);
  });

  test('verifies as false what the emulator was told to sign wrongly', async () => {
    const { sign, emulator, base } = await open();
    emulator.faults.wrongSignatureNext = 1;
    const { signature = '' } = await sign();
    const check = { ...base, api: 'Verify', algorithm: 'ECDSA_SHA_256', message, signature } as const;
    expect(await client.ask(check)).toMatchObject({ value: false });
  });

  test.each([
    ['an unknown key', { keyId: 'nobody' }, 'Forbidden.KeyNotFound'],
    ['an algorithm of another spec', { algorithm: 'RSA_PSS_SHA_256' }, 'InvalidParameter'],
    ['a digest of 31 bytes', { message: randomBytes(31).toString('base64') }, 'InvalidParameter'],
    ['no message', { message: '' }, 'MissingParameter'],
  ])('reports the code for %s', async (_, call, code) => {
    const { sign } = await open();
    expect(await sign(call)).toMatchObject({ code });
  });
});

/** Passes each request on with its last byte changed. */
async function startChangingProxy(host: string): Promise<string> {
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    const onward = request(`http://${host}/`, { method: 'POST', headers: incoming.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    onward.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
