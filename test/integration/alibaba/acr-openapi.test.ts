import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { sample } from '../../emulator/sample-config.ts';
import { uniqueRepository } from '../../support/names.ts';
import { type AcrOptions, allowing, startAcr } from '../../support/start-acr.ts';
import { allTextOf, failureOf } from './account.ts';

const upstream = inject('fallbackHost');
const account = `acs:cr:${sample.region}:${sample.accountId}`;

async function startSetting(options: Partial<AcrOptions> = {}) {
  const namespace = uniqueRepository('ns', 'x').slice(2);
  const setting = await startAcr({ upstream, namespaces: [namespace], ...options });
  onTestFinished(() => setting.stop());
  const { call, instance } = setting;
  /** Past the registry of the instance, as if it had been there before. */
  const push = (name: string, tag = 'v1') =>
    pushImage({ host: upstream, repository: `${namespace}/${name}`, tag, kind: 'oci-manifest' });
  const repoId = (name: string) => instance.describe(`${namespace}/${name}`).repoId;
  return { ...setting, namespace, call, push, repoId };
}

/** The names of every page, and how many pages there were. */
async function allPages(
  read: (token: Record<string, string>) => Promise<{ names: string[]; next: string | undefined }>,
) {
  const pages: string[][] = [];
  let next: string | undefined;
  do {
    const page = await read(next === undefined ? {} : { NextToken: next });
    pages.push(page.names);
    next = page.next;
  } while (next !== undefined);
  return pages;
}

describe('the emulated OpenAPI of ACR', () => {
  it('lists repositories and tags from token to token', async () => {
    const { call, push, repoId } = await startSetting();
    for (const name of ['a', 'b', 'c/d']) await push(name);
    await push('a', 'v2');
    const repositories = await allPages(async (token) => {
      const { Repositories, NextToken } = await call('ListRepository', { MaxResults: '2', ...token });
      return { names: Repositories.map((found: { RepoName: string }) => found.RepoName), next: NextToken };
    });
    expect(repositories).toEqual([['a', 'b'], ['c/d']]);
    const tags = await allPages(async (token) => {
      const { Images, NextToken } = await call('ListRepoTag', { RepoId: repoId('a'), MaxResults: '1', ...token });
      return { names: Images.map((found: { Tag: string }) => found.Tag), next: NextToken };
    });
    expect(tags).toEqual([['v1'], ['v2']]);
  });

  it('lists only what is below namespaces of the instance', async () => {
    const { call, push, namespace } = await startSetting();
    await push('a');
    const listed = await call('ListRepository', { PageSize: '100' });
    expect(listed['Repositories']).toHaveLength(1);
    expect(listed).toMatchObject({ TotalCount: '1', Repositories: [{ RepoName: 'a', RepoNamespaceName: namespace }] });
  });

  it.each([
    ['an answer of status 200', { action: 'ListRepository' }, { IsSuccess: false, Code: 'INTERNAL_ERROR' }],
    ['no other action', { action: 'ListNamespace' }, { IsSuccess: true }],
  ])('refuses inside %s when it was told to', async (_, only, expected) => {
    const { call, emulator } = await startSetting();
    emulator.acr.faults.failInsideNext = { count: 1, code: 'INTERNAL_ERROR', ...only };
    expect(await call('ListRepository')).toMatchObject(expected);
    expect(await call('ListRepository')).toMatchObject({ IsSuccess: true });
  });

  it('records what it refused inside an answer of status 200', async () => {
    const { call, emulator } = await startSetting();
    await call('GetInstance', { InstanceId: 'cri-none' });
    expect(emulator.calls.at(-1)).toMatchObject({ action: 'GetInstance', status: 200, code: 'INSTANCE_NOT_EXIST' });
  });

  it('gives logins for as many hours as asked, at the scale of the emulator', async () => {
    const { call } = await startSetting({ emulator: { lifetimeScale: 0.01 } });
    const before = Date.now();
    const { ExpireTime } = await call('GetAuthorizationToken', { ExpiresInHours: '2' });
    expect(ExpireTime - before).toBeGreaterThanOrEqual(72_000);
    expect(ExpireTime - Date.now()).toBeLessThanOrEqual(72_000);
  });

  it.each(['0', '25', '1.5'])('gives no login for %s hours', async (ExpiresInHours) => {
    const { call } = await startSetting();
    await expect(call('GetAuthorizationToken', { ExpiresInHours })).rejects.toThrow('InvalidParameter');
  });

  it('names the action and the resource that RAM lacks, in an error of Alibaba’s form', async () => {
    const { call } = await startSetting({ policies: [] });
    const text = allTextOf(await failureOf(call('GetAuthorizationToken')));
    expect(text).toMatch(/NoPrivilege, HTTP 403.*cr:GetAuthorizationToken/);
  });

  it.each([
    ['ListRepository', {}, 'cr:ListRepository', `${account}:repository/cri-emulated/*`],
    ['ListRepository', { RepoNamespaceName: 'x' }, 'cr:ListRepository', `${account}:repository/cri-emulated/x/*`],
    ['GetInstance', {}, 'cr:GetInstance', `${account}:instance/cri-emulated`],
    ['ListNamespace', {}, 'cr:ListNamespace', `${account}:repository/cri-emulated`],
    ['ListArtifactLifecycleRule', {}, 'cr:ListArtifactLifecycleRule', `${account}:instance/cri-emulated`],
    ['ListRepoSyncRule', {}, 'cr:ListSyncRule', `${account}:repository/cri-emulated`],
    ['ListInstance', {}, 'cr:ListInstance', '*'],
  ])('checks %s %j against RAM', async (action, query, needed, resource) => {
    const granted = await startSetting({ policies: [allowing(needed, resource)] });
    expect(await granted.call(action, query)).toMatchObject({ IsSuccess: true });
    const narrower = await startSetting({ policies: [allowing('cr:*', `${account}:repository/cri-other/*`)] });
    await expect(narrower.call(action, query)).rejects.toThrow('NoPrivilege');
  });

  it.each([
    ['CreateRepoTrigger', 'cr:CreateWebHook', 'a'],
    ['UpdateRepoTrigger', 'cr:UpdateWebHook', 'a'],
    ['DeleteRepoTrigger', 'cr:DeleteWebHook', 'a'],
    ['ListRepoTrigger', 'cr:ListWebHook', '*'],
    ['ListRepoTag', 'cr:ListRepositoryTag', '*'],
  ])('asks RAM for %s under its own name, %s', async (action, needed, on) => {
    const namespace = uniqueRepository('ns', 'x').slice(2);
    const resource = on === '*' ? '*' : `${account}:repository/cri-emulated/${namespace}/${on}`;
    const setting = await startSetting({ namespaces: [namespace], policies: [allowing(needed, resource)] });
    setting.instance.setRepository(`${namespace}/a`, {});
    const RepoId = setting.instance.describe(`${namespace}/a`).repoId;
    const trigger = {
      TriggerId: 'crw-none',
      TriggerName: 'n',
      TriggerUrl: 'http://x/',
      TriggerType: 'ALL',
      TriggerTag: '*',
    };
    const code = await setting.call(action, { RepoId, ...trigger }).then(
      (answer) => answer['Code'],
      (error: Error) => error.message,
    );
    expect(['success', 'TRIGGER_NOT_EXIST']).toContain(code);
    const denied = await startSetting({ namespaces: [namespace], policies: [allowing(`cr:${action}`, '*')] });
    denied.instance.setRepository(`${namespace}/a`, {});
    await expect(denied.call(action, { RepoId, ...trigger })).rejects.toThrow('NoPrivilege');
  });

  it.each([
    ['http on a port that ACR does not call', { TriggerUrl: 'http://example.com:22/' }],
    ['https on another port than 443', { TriggerUrl: 'https://example.com:8443/' }],
    ['what is no URL', { TriggerUrl: 'example.com' }],
    ['an expression that is none', { TriggerType: 'TAG_REG_EXP', TriggerTag: '(' }],
    ['a list that is none', { TriggerType: 'TAG_LIST', TriggerTag: 'v1' }],
    ['a type that is none', { TriggerType: 'TAGS' }],
  ])('creates no trigger with %s', async (_, wrong) => {
    const { call, namespace, instance, repoId } = await startSetting();
    instance.setRepository(`${namespace}/a`, {});
    const right = { TriggerName: 'n', TriggerUrl: 'http://example.com/', TriggerType: 'ALL', TriggerTag: '*' };
    const create = (change: object) => call('CreateRepoTrigger', { RepoId: repoId('a'), ...right, ...change });
    expect(await create({})).toMatchObject({ IsSuccess: true });
    await expect(create(wrong)).rejects.toThrow('InvalidParameter');
    expect(instance.triggersOf(`${namespace}/a`)).toHaveLength(1);
  });
});
