import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeServerCertificate } from './server-certificate.ts';

const script = join(import.meta.dirname, 'print-base-credentials.ts');
const inAnHour = () => `${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z`;
const session = () => ({
  AccessKeyId: 'STS.cloud',
  AccessKeySecret: 'secret-of-session',
  SecurityToken: 'token-of-session',
  Expiration: inAnHour(),
});
const found = { accessKeyId: 'STS.cloud', accessKeySecret: 'secret-of-session', securityToken: 'token-of-session' };

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A directory that stands for the home of a user without any profile. */
async function emptyHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'autosign-cloud-identity-'));
  onTestFinished(() => rm(home, { recursive: true }));
  return home;
}

/** What a process with this environment takes for its identity. */
async function identityWith(home: string, env: Record<string, string>): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [script], { env: { HOME: home, ...env } });
  return JSON.parse(stdout);
}

describe('the identity of a pod (RRSA)', () => {
  const roleArn = 'acs:ram::1234567890123456:role/pod';
  const providerArn = 'acs:ram::1234567890123456:oidc-provider/ack-rrsa';

  async function startSts(name: string, listener: RequestListener) {
    const { cert, key } = await makeServerCertificate({ type: 'dns', value: name });
    const home = await emptyHome();
    const tokenFile = join(home, 'token');
    await Promise.all([writeFile(join(home, 'ca.pem'), cert), writeFile(tokenFile, 'jwt-of-pod')]);
    const port = await listen(createTlsServer({ cert, key }, listener));
    return (env: Record<string, string> = {}) =>
      identityWith(home, {
        NODE_EXTRA_CA_CERTS: join(home, 'ca.pem'),
        ROUTES: JSON.stringify({ 'sts-vpc.cn-hangzhou.aliyuncs.com': port, '100.100.100.200': port }),
        ALIBABA_CLOUD_ROLE_ARN: roleArn,
        ALIBABA_CLOUD_OIDC_PROVIDER_ARN: providerArn,
        ALIBABA_CLOUD_OIDC_TOKEN_FILE: tokenFile,
        ALIBABA_CLOUD_STS_REGION: 'cn-hangzhou',
        ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED: 'true',
        ALIBABA_CLOUD_ECS_METADATA_DISABLED: 'true',
        ...env,
      });
  }

  it('comes from STS for the token in its file, with its end', async () => {
    const asked: URLSearchParams[] = [];
    const identity = await startSts('sts-vpc.cn-hangzhou.aliyuncs.com', async (request, response) => {
      const url = new URL(request.url ?? '', 'https://sts');
      asked.push(new URLSearchParams([...url.searchParams, ...new URLSearchParams(await text(request))]));
      response.end(JSON.stringify({ RequestId: '1', Credentials: session() }));
    });
    expect(await identity()).toMatchObject({ ...found, expiration: expect.stringMatching(/Z$/) });
    expect(asked.map((query) => Object.fromEntries(query))).toMatchObject([
      {
        Action: 'AssumeRoleWithOIDC',
        OIDCToken: 'jwt-of-pod',
        RoleArn: roleArn,
        OIDCProviderArn: providerArn,
        DurationSeconds: '3600',
      },
    ]);
  });

  it('is missing when STS refuses the token, with Alibaba’s code and no word of the token', async () => {
    const identity = await startSts('sts-vpc.cn-hangzhou.aliyuncs.com', (_, response) => {
      const refusal = {
        Code: 'AuthenticationFail.OIDCToken.Expired',
        Message: 'jwt-of-pod is expired',
        RequestId: '1',
      };
      response.writeHead(400).end(JSON.stringify(refusal));
    });
    const { error } = (await identity()) as { error: string };
    expect(error).toContain('AuthenticationFail.OIDCToken.Expired');
    expect(error).not.toContain('jwt-of-pod');
  });

  it('is not asked for from a server that cannot show STS’s certificate', async () => {
    let asked = 0;
    const identity = await startSts('sts.example.com', (_, response) => {
      asked += 1;
      response.end(JSON.stringify({ RequestId: '1', Credentials: session() }));
    });
    expect(await identity()).toMatchObject({ error: expect.stringContaining('no identity of its own') });
    expect(asked).toBe(0);
  });
});

describe('the identity of an ECS instance', () => {
  async function startMetadata(answers: Readonly<Record<string, string>>) {
    const asked: string[] = [];
    const port = await listen(
      createServer((request, response) => {
        const path = `${request.method} ${request.url}`;
        const token = request.headers['x-aliyun-ecs-metadata-token'];
        asked.push(token === undefined ? path : `${path} with ${token}`);
        const answer = answers[path];
        response.writeHead(answer === undefined ? 404 : 200).end(answer);
      }),
    );
    const home = await emptyHome();
    const ask = (env: Record<string, string> = {}) =>
      identityWith(home, { ROUTES: JSON.stringify({ '100.100.100.200': port }), ...env });
    return { asked, ask };
  }
  const base = '/latest/meta-data/ram/security-credentials/';
  const good = () => ({
    'PUT /latest/api/token': 'metadata-token',
    [`GET ${base}`]: 'worker-role',
    [`GET ${base}worker-role`]: JSON.stringify({ Code: 'Success', ...session() }),
  });

  it('comes from the metadata service, by its token, with its end', async () => {
    const { ask, asked } = await startMetadata(good());
    expect(await ask()).toMatchObject({ ...found, expiration: expect.stringMatching(/Z$/) });
    expect(asked).toContain(`GET ${base}worker-role with metadata-token`);
  });

  it('is that of the role that ALIBABA_CLOUD_ECS_METADATA names, and needs no other question', async () => {
    const { ask, asked } = await startMetadata(good());
    expect(await ask({ ALIBABA_CLOUD_ECS_METADATA: 'worker-role' })).toMatchObject(found);
    expect(asked).not.toContain(`GET ${base} with metadata-token`);
  });

  it('is missing when the instance has no role', async () => {
    const { ask } = await startMetadata({ 'PUT /latest/api/token': 'metadata-token' });
    expect(await ask()).toMatchObject({ error: expect.stringContaining('no identity of its own') });
  });

  it('is not asked for when ALIBABA_CLOUD_ECS_METADATA_DISABLED is set', async () => {
    const { ask, asked } = await startMetadata(good());
    expect(await ask({ ALIBABA_CLOUD_ECS_METADATA_DISABLED: 'true' })).toHaveProperty('error');
    expect(asked).toEqual([]);
  });
});
