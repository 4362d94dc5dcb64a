import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { assumeRole } from '../../src/alibaba/sts.ts';
import type { StsCredentials } from '../../src/alibaba/sts-credentials.ts';
import { sample, trustPolicy } from '../emulator/sample-config.ts';
import { uniqueRepository } from '../support/names.ts';
import { allowing, startAcr } from '../support/start-acr.ts';
import { type CrClient, startCrClient } from './cr-client.ts';

const program = inject('crClientPath');
const upstream = inject('fallbackHost');
const timeouts = { connectTimeoutMs: 30_000, readTimeoutMs: 30_000 };

/** Alibaba's published client, as it is, against the emulator: what it takes for ACR may pass for it in tests. */
describe.skipIf(program === undefined)('Go cr-20181201/v2', () => {
  let client: CrClient;
  beforeAll(async () => {
    client = await startCrClient(program ?? '');
  });
  afterAll(() => client.stop());

  async function openInstance() {
    const namespace = uniqueRepository('ns', 'x').slice(2);
    const roles = [
      {
        arn: sample.roleArn,
        trustPolicy: trustPolicy({ RAM: [sample.worker.arn] }),
        policies: [allowing('cr:*', '*')],
      },
    ];
    const setting = await startAcr({ upstream, namespaces: [namespace, `${namespace}-other`], emulator: { roles } });
    onTestFinished(() => setting.stop());
    const { emulator, instance, credentials: worker } = setting;
    const call = async (action: string, parameters: object = {}, credentials = worker) =>
      await client.call({
        endpoint: emulator.host,
        credentials,
        action,
        parameters: { InstanceId: instance.instanceId, ...parameters },
      });
    const push = (repository: string, tag: string) =>
      pushImage({ host: upstream, repository: `${namespace}/${repository}`, tag, kind: 'oci-manifest' });
    const repoId = (repository: string) => instance.describe(`${namespace}/${repository}`).repoId;
    return { ...setting, namespace, call, push, repoId };
  }

  test('gets a login', async () => {
    const { call, emulator } = await openInstance();
    const before = Date.now();
    const { body } = await call('GetAuthorizationToken');
    expect(body).toMatchObject({ Code: 'success', IsSuccess: true, TempUsername: 'cr_temp_user' });
    expect(Number(body?.['ExpireTime'])).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(JSON.stringify(emulator.calls)).not.toContain(body?.['AuthorizationToken']);
  });

  test('gets a login that ends with the session that asks for it', async () => {
    const { call, emulator, credentials } = await openInstance();
    const session = await openSession(emulator.url, credentials);
    const { body } = await call('GetAuthorizationToken', {}, session);
    expect(body?.['ExpireTime']).toBe(session.expiration?.getTime());
  });

  test('reads instance, endpoints and namespaces', async () => {
    const { call, instance, namespace } = await openInstance();
    const about = { InstanceId: instance.instanceId, InstanceStatus: 'RUNNING' };
    expect(await call('GetInstance')).toMatchObject({ body: { ...about, CreateTime: instance.createdAtMs } });
    expect(await call('ListInstance')).toMatchObject({
      body: { TotalCount: 1, Instances: [{ ...about, CreateTime: `${instance.createdAtMs}` }] },
    });
    const Domain = 'emulated-registry.cn-hangzhou.cr.aliyuncs.com';
    const internet = { Enable: true, Domains: [{ Domain, Type: 'SYSTEM' }] };
    expect(await call('GetInstanceEndpoint', { EndpointType: 'internet' })).toMatchObject({ body: internet });
    expect(await call('ListInstanceEndpoint')).toMatchObject({
      body: { Endpoints: [internet, { EndpointType: 'vpc' }] },
    });
    expect(await call('GetInstanceVpcEndpoint')).toMatchObject({
      body: { Domains: ['emulated-registry-vpc.cn-hangzhou.cr.aliyuncs.com'] },
    });
    expect(await call('ListNamespace', { NamespaceName: namespace, PageSize: 1 })).toMatchObject({
      body: { TotalCount: '2', Namespaces: [{ NamespaceName: namespace, AutoCreateRepo: true }] },
    });
    expect(await call('GetNamespace', { NamespaceName: namespace })).toMatchObject({
      body: { NamespaceName: namespace, NamespaceId: expect.stringMatching(/^crn-/) },
    });
  });

  test('lists the repositories and tags of the real registry page by page', async () => {
    const { call, push, repoId, namespace, instance } = await openInstance();
    for (const name of ['a', 'b/deep', 'c']) await push(name, 'v1');
    const { digest } = await push('a', 'v2');
    const page = (PageNo: number) => call('ListRepository', { RepoNamespaceName: namespace, PageNo, PageSize: 2 });
    const named = (RepoName: string) => ({ RepoName, RepoNamespaceName: namespace, RepoId: repoId(RepoName) });
    expect(await page(1)).toMatchObject({ body: { TotalCount: '3', Repositories: [named('a'), named('b/deep')] } });
    expect(await page(2)).toMatchObject({ body: { TotalCount: '3', Repositories: [named('c')] } });
    expect(await call('GetRepository', { RepoId: repoId('c') })).toMatchObject({ body: named('c') });
    const v2 = { Tag: 'v2', Digest: digest.replace('sha256:', '') };
    expect(await call('ListRepoTag', { RepoId: repoId('a'), PageNo: 2, PageSize: 1 })).toMatchObject({
      body: { TotalCount: '2', Images: [{ ...v2, ImageUpdate: `${instance.createdAtMs}` }] },
    });
    expect(await call('GetRepoTag', { RepoId: repoId('a'), Tag: 'v2' })).toMatchObject({
      body: { ...v2, ImageUpdate: instance.createdAtMs, ImageId: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  test('creates, lists, updates and deletes a trigger', async () => {
    const { call, push, repoId, emulator } = await openInstance();
    await push('a', 'v1');
    const RepoId = repoId('a');
    const trigger = { TriggerName: 'ours', TriggerUrl: 'https://example.com/hook/secret', TriggerType: 'ALL' };
    const created = await call('CreateRepoTrigger', { RepoId, ...trigger, TriggerTag: '*' });
    const TriggerId = created.body?.['TriggerId'];
    expect(TriggerId).toMatch(/^crw-/);
    expect(await call('ListRepoTrigger', { RepoId })).toMatchObject({
      body: { Triggers: [{ ...trigger, TriggerId }] },
    });
    const changed = { TriggerType: 'TAG_REG_EXP', TriggerTag: 'v.*' };
    expect(await call('UpdateRepoTrigger', { RepoId, TriggerId, ...changed })).toMatchObject({
      body: { IsSuccess: true },
    });
    expect(await call('ListRepoTrigger', { RepoId })).toMatchObject({
      body: { Triggers: [{ ...trigger, ...changed }] },
    });
    expect(await call('DeleteRepoTrigger', { RepoId, TriggerId })).toMatchObject({ body: { IsSuccess: true } });
    // The program leaves empty lists out.
    expect((await call('ListRepoTrigger', { RepoId })).body).not.toHaveProperty('Triggers');
    expect(JSON.stringify(emulator.calls)).not.toContain('secret');
  });

  test('creates and lists rules that delete and that copy', async () => {
    const { call, namespace } = await openInstance();
    const lifecycle = {
      Scope: 'NAMESPACE',
      NamespaceName: namespace,
      RetentionTagCount: 3,
      EnableDeleteTag: true,
      Auto: true,
    };
    await call('CreateArtifactLifecycleRule', { ...lifecycle, TagRegexp: 'v.*' });
    const listed = await call('ListArtifactLifecycleRule', { EnableDeleteTag: true });
    expect(listed).toMatchObject({ body: { TotalCount: 1, Rules: [{ ...lifecycle, TagRegexp: 'v.*' }] } });
    expect(await call('ListArtifactLifecycleRule', { EnableDeleteTag: false })).toMatchObject({
      body: { TotalCount: 0 },
    });
    const target = { TargetInstanceId: 'cri-other', TargetRegionId: 'cn-shanghai', TargetNamespaceName: 'copy' };
    const sync = { SyncRuleName: 'r', SyncScope: 'NAMESPACE', SyncTrigger: 'PASSIVE', TagFilter: '.*', ...target };
    await call('CreateRepoSyncRule', { ...sync, NamespaceName: namespace, RepoName: '', TargetRepoName: '' });
    expect(await call('ListRepoSyncRule')).toMatchObject({
      body: { TotalCount: 1, SyncRules: [{ ...sync, LocalNamespaceName: namespace }] },
    });
    expect(await call('ListRepoSyncTask')).toMatchObject({ body: { TotalCount: '0' } });
  });

  test('reports Alibaba’s codes for a wrong secret, a wrong token and an unknown key', async () => {
    const { call, credentials, emulator } = await openInstance();
    const session = await openSession(emulator.url, credentials);
    const ask = (change: Partial<StsCredentials>, base = credentials) =>
      call('ListInstance', {}, { ...base, ...change });
    expect(await ask({ accessKeySecret: 'wrong' })).toMatchObject({ code: 'SignatureDoesNotMatch' });
    expect(await ask({ accessKeyId: 'LTAI-other' })).toMatchObject({ code: 'InvalidAccessKeyId.NotFound' });
    expect(await ask({ securityToken: 'other' }, session)).toMatchObject({ code: 'InvalidSecurityToken.Malformed' });
    emulator.expireSessions();
    expect(await ask({}, session)).toMatchObject({ code: 'InvalidSecurityToken.Expired' });
  });

  test('reports Alibaba’s code for a throttled call, and works again after it', async () => {
    const { call, emulator } = await openInstance();
    emulator.faults.failNext = { count: 1, status: 400, code: 'Throttling.User', action: 'GetAuthorizationToken' };
    expect(await call('GetAuthorizationToken')).toMatchObject({ code: 'Throttling.User' });
    expect(await call('GetAuthorizationToken')).toMatchObject({ body: { IsSuccess: true } });
  });

  test.each([
    ['an action that RAM does not grant', 'GetAuthorizationToken', {}, { code: 'NoPrivilege' }],
    ['an instance that is not there', 'GetInstance', { InstanceId: 'cri-none' }, inside('INSTANCE_NOT_EXIST')],
    ['a repository that is not there', 'ListRepoTag', { RepoId: 'crr-none' }, inside('REPO_NOT_EXIST')],
    ['a page that is too long', 'ListRepository', { PageSize: 101 }, { code: 'InvalidParameter' }],
    ['a parameter that is missing', 'GetRepository', {}, { code: 'MissingParameter' }],
  ])('reports Alibaba’s code for %s', async (what, action, parameters, reported) => {
    const actions = what.includes('RAM') ? ['cr:List*'] : ['cr:*'];
    const setting = await startAcr({ upstream, namespaces: [], policies: [allowing(actions, '*')] });
    onTestFinished(() => setting.stop());
    const { emulator, instance, credentials } = setting;
    const all = { InstanceId: instance.instanceId, ...parameters };
    const asked = { endpoint: emulator.host, credentials, action, parameters: all };
    expect(await client.call(asked)).toMatchObject(reported);
  });
});

/** ACR's own refusals come in an answer of status 200, which the client takes for a success. */
function inside(Code: string) {
  return { body: { IsSuccess: false, Code } };
}

function openSession(endpoint: string, credentials: StsCredentials): Promise<StsCredentials> {
  const policy = JSON.stringify(allowing('cr:*', '*'));
  return assumeRole(
    { endpoint, credentials, timeouts },
    { roleArn: sample.roleArn, externalId: undefined, sessionName: 'interop', policy, durationSeconds: 900 },
  );
}
