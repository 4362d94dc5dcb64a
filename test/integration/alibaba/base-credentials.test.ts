import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBaseCredentials } from '../../../src/alibaba/base-credentials.ts';
import { allTextOf, failureOf } from './account.ts';

let home: string;
let requests: number;
let answer: { status: number; body: string };
const server = createServer((_, response) => {
  requests += 1;
  response.writeHead(answer.status).end(answer.body);
});

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'autosign-credentials-'));
  requests = 0;
  answer = { status: 500, body: '' };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // The default chain reads the environment; this keeps it away from the machine's own identity.
  for (const name of Object.keys(process.env)) if (name.startsWith('ALIBABA_CLOUD_')) vi.stubEnv(name, undefined);
  vi.stubEnv('HOME', home);
  vi.stubEnv('ALIBABA_CLOUD_ECS_METADATA_DISABLED', 'true');
  vi.stubEnv('ALIBABA_CLOUD_CREDENTIALS_URI', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(home, { recursive: true });
});

/** What a credentials URI answers, for a session that lasts so many minutes more. */
function session(minutesLeft = 60) {
  const Expiration = new Date(Date.now() + minutesLeft * 60_000).toISOString();
  return { Code: 'Success', AccessKeyId: 'STS.uri', AccessKeySecret: 's', SecurityToken: 't', Expiration };
}

function stubKey(): void {
  vi.stubEnv('ALIBABA_CLOUD_ACCESS_KEY_ID', 'LTAI-env');
  vi.stubEnv('ALIBABA_CLOUD_ACCESS_KEY_SECRET', 'secret-env');
}

describe('the worker’s own identity', () => {
  it('comes from the environment', async () => {
    stubKey();
    expect(await createBaseCredentials().credentials()).toEqual({
      accessKeyId: 'LTAI-env',
      accessKeySecret: 'secret-env',
      securityToken: undefined,
      expiration: undefined,
    });
  });

  it('names the sources that were tried and what stood in the way', async () => {
    const error = await failureOf(createBaseCredentials().credentials());
    expect(error).toMatchObject({ code: 'credentials-missing', message: expect.stringContaining('(HTTP 500)') });
    for (const source of [
      'ALIBABA_CLOUD_ACCESS_KEY_ID',
      'ALIBABA_CLOUD_OIDC_TOKEN_FILE',
      '.aliyun/config.json',
      'ECS',
    ]) {
      expect(error.message).toContain(source);
    }
  });

  it('is found after a first try that failed', async () => {
    const base = createBaseCredentials();
    await failureOf(base.credentials());
    stubKey();
    expect(await base.credentials()).toMatchObject({ accessKeyId: 'LTAI-env' });
  });

  it('is asked for once by callers that come together', async () => {
    answer = { status: 200, body: JSON.stringify(session()) };
    const base = createBaseCredentials();
    const all = await Promise.all(Array.from({ length: 20 }, () => base.credentials()));
    expect(all[19]).toMatchObject({ accessKeyId: 'STS.uri', securityToken: 't' });
    expect(requests).toBe(1);
  });

  it('is not given when it is over, though somebody forgot it while its source was asked', async () => {
    answer = { status: 200, body: JSON.stringify(session(0.5)) };
    const base = createBaseCredentials();
    const asked = failureOf(base.credentials());
    base.forget({ accessKeyId: 'x', accessKeySecret: 'x', securityToken: undefined, expiration: undefined });
    expect(await asked).toMatchObject({ code: 'credentials-missing' });
  });

  it('does not quote a credential file that it cannot read', async () => {
    await mkdir(join(home, '.aliyun'));
    await writeFile(join(home, '.aliyun', 'config.json'), '{ "access_key_secret": "secret-not-for-logs", broken');
    answer = { status: 200, body: '{"AccessKeySecret":"secret-not-for-logs"}' };
    expect(allTextOf(await failureOf(createBaseCredentials().credentials()))).not.toContain('secret-not-for-logs');
  });
});

describe('a profile', () => {
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(home, path)), { recursive: true });
    await writeFile(join(home, path), text);
  };
  const cli = (...profiles: object[]) => write('.aliyun/config.json', JSON.stringify({ current: 'default', profiles }));
  const accessKey = (name: string, id: string) => ({
    name,
    mode: 'AK',
    access_key_id: id,
    access_key_secret: 'secret-profile',
  });

  it('of Alibaba’s command line is the identity: the current one, or the one that ALIBABA_CLOUD_PROFILE names', async () => {
    await cli(accessKey('default', 'LTAI-cli'), accessKey('signer', 'LTAI-signer'));
    expect(await createBaseCredentials().credentials()).toEqual({
      accessKeyId: 'LTAI-cli',
      accessKeySecret: 'secret-profile',
      securityToken: undefined,
      expiration: undefined,
    });
    vi.stubEnv('ALIBABA_CLOUD_PROFILE', 'signer');
    expect(await createBaseCredentials().credentials()).toMatchObject({ accessKeyId: 'LTAI-signer' });
  });

  it('may hold a session, whose end nobody knows', async () => {
    await cli({ ...accessKey('default', 'STS.cli'), mode: 'StsToken', sts_token: 'token-cli' });
    const found = await createBaseCredentials().credentials();
    expect(found).toMatchObject({ accessKeyId: 'STS.cli', securityToken: 'token-cli', expiration: undefined });
  });

  it('may name a command that prints the session, with its end', async () => {
    const expiration = new Date(Date.now() + 3_600_000).toISOString();
    const printed = { mode: 'StsToken', access_key_id: 'STS.cmd', access_key_secret: 's', sts_token: 't', expiration };
    await write('print.mjs', `console.log(${JSON.stringify(JSON.stringify(printed))})`);
    await cli({ name: 'default', mode: 'External', process_command: `${process.execPath} ${join(home, 'print.mjs')}` });
    const found = await createBaseCredentials().credentials();
    expect(found).toMatchObject({ accessKeyId: 'STS.cmd', expiration: new Date(expiration) });
  });

  it('in ~/.alibabacloud/credentials or the file of ALIBABA_CLOUD_CREDENTIALS_FILE is the identity', async () => {
    const ini = (id: string) => `[default]\ntype = access_key\naccess_key_id = ${id}\naccess_key_secret = secret-ini\n`;
    await write('.alibabacloud/credentials', ini('LTAI-ini'));
    expect(await createBaseCredentials().credentials()).toMatchObject({ accessKeyId: 'LTAI-ini' });
    await write('elsewhere.ini', ini('LTAI-elsewhere'));
    vi.stubEnv('ALIBABA_CLOUD_CREDENTIALS_FILE', join(home, 'elsewhere.ini'));
    expect(await createBaseCredentials().credentials()).toMatchObject({ accessKeyId: 'LTAI-elsewhere' });
  });

  it('is passed over when the environment has a key, and when ALIBABA_CLOUD_CLI_PROFILE_DISABLED is set', async () => {
    await cli(accessKey('default', 'LTAI-cli'));
    vi.stubEnv('ALIBABA_CLOUD_CLI_PROFILE_DISABLED', 'true');
    answer = { status: 200, body: JSON.stringify(session()) };
    expect(await createBaseCredentials().credentials()).toMatchObject({ accessKeyId: 'STS.uri' });
    vi.stubEnv('ALIBABA_CLOUD_CLI_PROFILE_DISABLED', undefined);
    stubKey();
    expect(await createBaseCredentials().credentials()).toMatchObject({ accessKeyId: 'LTAI-env' });
  });

  it('is read again after its key was refused', async () => {
    await cli(accessKey('default', 'LTAI-old'));
    const base = createBaseCredentials();
    const old = await base.credentials();
    await cli(accessKey('default', 'LTAI-new'));
    expect(await base.credentials()).toMatchObject({ accessKeyId: 'LTAI-old' });
    base.forget(old);
    expect(await base.credentials()).toMatchObject({ accessKeyId: 'LTAI-new' });
  });
});

describe('an identity that ends', () => {
  const minuteMs = 60_000;
  const isolated = (nowMs: () => number) => createBaseCredentials({ now: () => new Date(nowMs()) });

  it('tells its end', async () => {
    const { Expiration, ...rest } = session();
    answer = { status: 200, body: JSON.stringify({ ...rest, Expiration }) };
    expect((await createBaseCredentials().credentials()).expiration).toEqual(new Date(Expiration));
  });

  it('is asked for anew once it is over, though the library would go on with it', async () => {
    let nowMs = Date.now();
    answer = { status: 200, body: JSON.stringify(session()) };
    const base = isolated(() => nowMs);
    await base.credentials();
    nowMs += 59.5 * minuteMs;
    answer = { status: 200, body: JSON.stringify({ ...session(2 * 60), AccessKeyId: 'STS.uri-2' }) };
    expect(await base.credentials()).toMatchObject({ accessKeyId: 'STS.uri-2' });
    expect(requests).toBe(2);
  });

  it('is missing, not used, when it is over and its source does not answer', async () => {
    let nowMs = Date.now();
    answer = { status: 200, body: JSON.stringify(session()) };
    const base = isolated(() => nowMs);
    await base.credentials();
    nowMs += 59.5 * minuteMs;
    answer = { status: 503, body: '' };
    expect(await failureOf(base.credentials())).toMatchObject({
      code: 'credentials-missing',
      message: expect.stringContaining('HTTP 503'),
    });
    answer = { status: 200, body: JSON.stringify(session(2 * 60)) };
    expect(await base.credentials()).toMatchObject({ accessKeyId: 'STS.uri' });
  });

  it('is missing when it is over as it comes', async () => {
    answer = { status: 200, body: JSON.stringify(session(-1)) };
    expect(await failureOf(createBaseCredentials().credentials())).toMatchObject({
      code: 'credentials-missing',
      message: expect.stringContaining('credentials that are over'),
    });
    expect(requests).toBe(2);
  });
});
