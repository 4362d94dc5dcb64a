import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    const Expiration = new Date(Date.now() + 3_600_000).toISOString();
    const found = { Code: 'Success', AccessKeyId: 'STS.uri', AccessKeySecret: 's', SecurityToken: 't', Expiration };
    answer = { status: 200, body: JSON.stringify(found) };
    const base = createBaseCredentials();
    const all = await Promise.all(Array.from({ length: 20 }, () => base.credentials()));
    expect(all[19]).toMatchObject({ accessKeyId: 'STS.uri', securityToken: 't' });
    expect(requests).toBe(1);
  });

  it('does not quote a credential file that it cannot read', async () => {
    await mkdir(join(home, '.aliyun'));
    await writeFile(join(home, '.aliyun', 'config.json'), '{ "access_key_secret": "secret-not-for-logs", broken');
    answer = { status: 200, body: '{"AccessKeySecret":"secret-not-for-logs"}' };
    expect(allTextOf(await failureOf(createBaseCredentials().credentials()))).not.toContain('secret-not-for-logs');
  });
});
