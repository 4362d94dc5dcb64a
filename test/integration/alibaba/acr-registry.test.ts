import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import type { RegistryCredentials } from '../../../src/ports/registry-login.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { sample } from '../../emulator/sample-config.ts';
import { uniqueRepository } from '../../support/names.ts';
import { type AcrOptions, type AcrSetting, allowing, startAcr } from '../../support/start-acr.ts';
import { clientFor } from '../../unit/registry/client-for.ts';

const repositories = `acs:cr:${sample.region}:${sample.accountId}:repository/cri-emulated`;

/** An instance in front of the shared registry, with a namespace that no other test has. */
async function startSetting(options: Partial<AcrOptions> = {}) {
  const namespace = uniqueRepository('ns', 'x').slice(2);
  const setting = await startAcr({ upstream: inject('fallbackHost'), namespaces: [namespace], ...options });
  onTestFinished(() => setting.stop());
  return { ...setting, namespace, repository: `${namespace}/team/app` };
}

async function clientOf(setting: AcrSetting) {
  const client = clientFor(setting.instance.registry.host, {
    realms: [setting.instance.registry.realm],
    login: await setting.login(),
  });
  onTestFinished(() => client.close());
  return client;
}

async function pushAndPull(setting: AcrSetting, repository: string): Promise<void> {
  const client = await clientOf(setting);
  const bytes = Buffer.from(`blob of ${repository}`);
  const digest = digestOf(bytes);
  await client.uploadBlob(repository, bytes, digest);
  expect(Buffer.from(await client.getBlob(repository, { digest, size: bytes.length }, 100))).toEqual(bytes);
}

async function manifestStatus(setting: AcrSetting, repository: string, token: string): Promise<number> {
  const url = `http://${setting.instance.registry.host}/v2/${repository}/manifests/v1`;
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
}

/** A bearer token as the realm gives it. */
async function tokenFor(setting: AcrSetting, scope: string, login: RegistryCredentials | undefined) {
  const url = new URL(setting.instance.registry.realm);
  url.searchParams.set('service', setting.instance.service);
  url.searchParams.set('scope', scope);
  const basic = Buffer.from(`${login?.username}:${login?.password}`).toString('base64');
  const headers = login === undefined ? {} : { authorization: `Basic ${basic}` };
  const answer = await fetch(url, { headers });
  const body = (await answer.json()) as { token?: string };
  const payload = Buffer.from(body.token?.split('.')[1] ?? '', 'base64url').toString();
  return { status: answer.status, token: body.token ?? '', claims: payload === '' ? undefined : JSON.parse(payload) };
}

describe('the registry of an emulated instance', () => {
  it.each(['fallbackHost', 'referrersHost'] as const)('takes a push and a pull with a login (%s)', async (upstream) => {
    const setting = await startSetting({ upstream: inject(upstream) });
    await pushAndPull(setting, setting.repository);
    const { calls, storage } = setting.instance.registry;
    expect(calls.map(({ status }) => status)).toEqual(expect.arrayContaining([401, 307]));
    expect({ served: storage.served, leaks: storage.leaks }).toEqual({ served: 1, leaks: [] });
  });

  it('challenges in the form of ACR', async () => {
    const { instance } = await startSetting();
    const answer = await fetch(`http://${instance.registry.host}/v2/`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer realm="${instance.registry.realm}",service="registry.aliyuncs.com:cn-hangzhou:china:cri-emulated"`,
    );
  });

  it('gives no access to a login whose RAM user may pull, but not push', async () => {
    const setting = await startSetting({
      policies: [allowing('cr:GetAuthorizationToken', '*'), allowing('cr:PullRepository', `${repositories}/*`)],
    });
    const scope = `repository:${setting.repository}:pull,push`;
    const { claims } = await tokenFor(setting, scope, await setting.login());
    expect(claims.access).toEqual([{ type: 'repository', name: setting.repository, actions: ['pull'] }]);
    await expect(pushAndPull(setting, setting.repository)).rejects.toMatchObject({ code: 'registry-denied' });
  });

  it('refuses a repository that RAM does not grant', async () => {
    const setting = await startSetting({
      namespaces: ['mine', 'theirs'],
      policies: [
        allowing('cr:GetAuthorizationToken', '*'),
        allowing(['cr:PullRepository', 'cr:PushRepository'], `${repositories}/mine/*`),
      ],
    });
    await pushAndPull(setting, uniqueRepository('app', 'mine'));
    await expect(pushAndPull(setting, uniqueRepository('app', 'theirs'))).rejects.toMatchObject({
      code: 'registry-denied',
    });
  });

  it('refuses what is below a namespace that the instance has not', async () => {
    const setting = await startSetting();
    await expect(pushAndPull(setting, uniqueRepository('app', 'nowhere'))).rejects.toMatchObject({
      code: 'registry-denied',
    });
  });

  it('refuses a token for another repository, a changed one, and one that is over', async () => {
    const setting = await startSetting();
    const { repository, namespace } = setting;
    const login = await setting.login();
    const { token } = await tokenFor(setting, `repository:${repository}:pull`, login);
    const other = await tokenFor(setting, `repository:${namespace}/other:pull`, login);
    expect(await manifestStatus(setting, repository, token)).toBe(404);
    expect(await manifestStatus(setting, repository, other.token)).toBe(401);
    expect(await manifestStatus(setting, repository, withOtherClaims(token, other.token))).toBe(401);
    expect(await manifestStatus(setting, repository, 'a.b.c')).toBe(401);
    setting.emulator.acr.expireTokens();
    expect(await manifestStatus(setting, repository, token)).toBe(401);
  });

  it('refuses a token whose time is over', async () => {
    const setting = await startSetting({ emulator: { lifetimeScale: 0.002 } });
    const { token, claims } = await tokenFor(setting, `repository:${setting.repository}:pull`, await setting.login());
    expect(claims.exp - claims.iat).toBe(1);
    const status = () => manifestStatus(setting, setting.repository, token);
    await waitUntil(status, (answered) => answered === 401, 10_000);
  });

  it('lets a client with a token that is over log in anew', async () => {
    const setting = await startSetting();
    const client = await clientOf(setting);
    await client.getManifest(setting.repository, 'v1').catch(() => {});
    setting.emulator.acr.expireTokens();
    await expect(client.getManifest(setting.repository, 'v1')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('gives nobody a token without access for a private repository, and one to pull for a public one', async () => {
    const setting = await startSetting();
    const scope = `repository:${setting.repository}:pull,push`;
    const anonymous = await tokenFor(setting, scope, undefined);
    expect(anonymous).toMatchObject({ status: 200, claims: { sub: '', access: [] } });
    const { host } = setting.instance.registry;
    const headers = { authorization: `Bearer ${anonymous.token}` };
    expect((await fetch(`http://${host}/v2/`, { headers })).status).toBe(401);
    setting.instance.setRepository(setting.repository, { repoType: 'PUBLIC' });
    const access = [{ type: 'repository', name: setting.repository, actions: ['pull'] }];
    expect(await tokenFor(setting, scope, undefined)).toMatchObject({ status: 200, claims: { access } });
  });

  it.each([
    ['a wrong password', (login: RegistryCredentials) => ({ ...login, password: 'wrong' })],
    ['another user name', (login: RegistryCredentials) => ({ ...login, username: 'cr_temp' })],
  ])('refuses %s at the realm', async (_, change) => {
    const setting = await startSetting();
    const scope = `repository:${setting.repository}:pull`;
    expect(await tokenFor(setting, scope, change(await setting.login()))).toMatchObject({ status: 401, token: '' });
  });

  it('refuses a login that is over at the realm', async () => {
    const setting = await startSetting();
    const login = await setting.login();
    setting.emulator.acr.expireLogins();
    expect(await tokenFor(setting, `repository:${setting.repository}:pull`, login)).toMatchObject({ status: 401 });
  });

  it('records an Authorization header that arrives at the object storage, and refuses it', async () => {
    const { instance } = await startSetting();
    const { storage } = instance.registry;
    const url = storage.addressOf('x/y', 'sha256:00');
    expect((await fetch(url, { headers: { authorization: 'Bearer x' } })).status).toBe(400);
    expect(storage.leaks).toEqual([new URL(url).pathname]);
    expect((await fetch(`${url}x`)).status).toBe(403);
  });
});

/** The first token's signature under the second one's claims. */
function withOtherClaims(token: string, other: string): string {
  const [header, , signature] = token.split('.');
  return [header, other.split('.')[1], signature].join('.');
}
