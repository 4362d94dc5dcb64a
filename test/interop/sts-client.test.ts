import { createRequire } from 'node:module';
import { RuntimeOptions } from '@darabonba/typescript';
import { describe, expect, onTestFinished, test } from 'vitest';
import { OpenApiRequest, Params } from '../../src/alibaba/alibaba-sdk.ts';
import { sample, sampleConfig } from '../emulator/sample-config.ts';
import { type Emulator, startEmulator } from '../emulator/start-emulator.ts';

// As in src/alibaba/alibaba-sdk.ts: loaders disagree on the default export of Alibaba's packages.
type StsSdk = typeof import('@alicloud/sts20150401', { with: { 'resolution-mode': 'require' }});
const require = createRequire(import.meta.url);
const sdk = require('@alicloud/sts20150401') as StsSdk;

interface Login {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string;
  /** `v2` signs with the older HMAC-SHA1. */
  readonly signatureAlgorithm?: 'v2';
}

const request = { roleArn: sample.roleArn, roleSessionName: 'interop', durationSeconds: 900 };
const millisecondsLeft = (expiration: string | undefined) => Date.parse(expiration ?? '') - Date.now();

function clientOf(emulator: Emulator, login: Login) {
  // Far above what a loaded machine needs for a call on loopback.
  const timeouts = { readTimeout: 30_000, connectTimeout: 30_000 };
  return new sdk.default({ endpoint: emulator.host, protocol: 'http', ...timeouts, ...login } as never);
}

async function startAccount(lifetimeScale = 1) {
  const { config, accessKeySecret } = sampleConfig({ keys: [], lifetimeScale });
  const emulator = await startEmulator(config);
  onTestFinished(() => emulator.close());
  return { emulator, worker: { accessKeyId: sample.worker.accessKeyId, accessKeySecret } };
}

async function openSession(emulator: Emulator, worker: Login): Promise<Login> {
  const { body } = await clientOf(emulator, worker).assumeRole(new sdk.AssumeRoleRequest(request));
  const { accessKeyId = '', accessKeySecret = '', securityToken = '' } = body?.credentials ?? {};
  return { accessKeyId, accessKeySecret, securityToken };
}

/** Alibaba's published client, as it is, against the emulator. */
describe.each([
  ['ACS3-HMAC-SHA256', {}],
  ['HMAC-SHA1', { signatureAlgorithm: 'v2' as const }],
])('npm sts20150401 1.2.0, %s', (_, signature) => {
  test('assumes a role, and is told who it is before and after', async () => {
    const { emulator, worker } = await startAccount();
    const base = clientOf(emulator, { ...worker, ...signature });
    const { body: assumed } = await base.assumeRole(new sdk.AssumeRoleRequest(request));
    const { body: before } = await base.getCallerIdentity();
    const arn = `acs:ram::${sample.accountId}:assumed-role/AliyunContainerRegistryKMSRole/interop`;
    expect(before).toMatchObject({ accountId: sample.accountId, arn: sample.worker.arn });
    expect(assumed).toMatchObject({ assumedRoleUser: { arn }, requestId: expect.any(String) });
    expect(millisecondsLeft(assumed?.credentials?.expiration)).toBeGreaterThan(800_000);
    const session = await openSession(emulator, { ...worker, ...signature });
    const { body: after } = await clientOf(emulator, { ...session, ...signature }).getCallerIdentity();
    expect(after).toMatchObject({ accountId: sample.accountId, arn });
  });

  test('may send the parameters in a form, as Alibaba’s generic client does for a body', async () => {
    const { emulator, worker } = await startAccount();
    const client = clientOf(emulator, { ...worker, ...signature });
    const rpc = { protocol: 'HTTP', method: 'POST', pathname: '/', authType: 'AK', style: 'RPC' };
    const params = { action: 'AssumeRole', version: '2015-04-01', ...rpc, reqBodyType: 'formData', bodyType: 'json' };
    const send = (RoleSessionName: string) => {
      const request = new OpenApiRequest({ body: { RoleArn: sample.roleArn, RoleSessionName } });
      return client.callApi(new Params(params), request, new RuntimeOptions({}));
    };
    expect(await send('form@session')).toMatchObject({ statusCode: 200 });
    await expect(send('in a form')).rejects.toMatchObject({ code: 'InvalidParameter.RoleSessionName' });
  });

  test('is given credentials that end as much sooner as the lifetimes are scaled', async () => {
    const { emulator, worker } = await startAccount(0.01);
    const base = clientOf(emulator, { ...worker, ...signature });
    const { body } = await base.assumeRole(new sdk.AssumeRoleRequest(request));
    expect(millisecondsLeft(body?.credentials?.expiration)).toBeLessThanOrEqual(9_000);
  });

  test.each<[string, Partial<Login>, string]>([
    ['a wrong secret', { accessKeySecret: 'wrong' }, 'SignatureDoesNotMatch'],
    ['an unknown access key', { accessKeyId: 'LTAI-other' }, 'InvalidAccessKeyId.NotFound'],
    ['a token for a permanent key', { securityToken: 'x' }, 'InvalidSecurityToken.MismatchWithAccessKey'],
  ])('reports Alibaba’s code for %s', async (_case, change, code) => {
    const { emulator, worker } = await startAccount();
    const client = clientOf(emulator, { ...worker, ...signature, ...change });
    await expect(client.getCallerIdentity()).rejects.toMatchObject({ code });
  });

  test.each<[string, Partial<Login>, string]>([
    ['signed with another session’s secret', { accessKeySecret: 'wrong' }, 'SignatureDoesNotMatch'],
    ['with another token', { securityToken: 'x' }, 'InvalidSecurityToken.Malformed'],
    ['that is over', {}, 'InvalidSecurityToken.Expired'],
  ])('reports Alibaba’s code for a session %s', async (_case, change, code) => {
    const { emulator, worker } = await startAccount();
    const session = await openSession(emulator, worker);
    emulator.expireSessions();
    const client = clientOf(emulator, { ...session, ...signature, ...change });
    await expect(client.getCallerIdentity()).rejects.toMatchObject({ code });
  });

  test.each([
    ['a role that is not there', { roleArn: `${sample.roleArn}2` }, 'EntityNotExist.Role'],
    ['a session policy that is none', { policy: '{}' }, 'InvalidParameter.PolicyGrammar'],
    ['a session that is too long', { durationSeconds: 43_200 }, 'InvalidParameter.DurationSeconds'],
  ])('reports Alibaba’s code for %s', async (_case, change, code) => {
    const { emulator, worker } = await startAccount();
    const client = clientOf(emulator, { ...worker, ...signature });
    const refused = client.assumeRole(new sdk.AssumeRoleRequest({ ...request, ...change }));
    await expect(refused).rejects.toMatchObject({ code });
  });

  test('reports Alibaba’s code for a throttled call, and works again after it', async () => {
    const { emulator, worker } = await startAccount();
    const client = clientOf(emulator, { ...worker, ...signature });
    emulator.faults.failNext = { count: 1, status: 400, code: 'Throttling.User', action: 'AssumeRole' };
    const assume = () => client.assumeRole(new sdk.AssumeRoleRequest(request));
    await expect(assume()).rejects.toMatchObject({ code: 'Throttling.User' });
    expect((await assume()).body?.credentials?.accessKeyId).toMatch(/^STS\./);
  });
});
