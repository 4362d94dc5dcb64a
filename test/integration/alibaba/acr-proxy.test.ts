import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { type PushedImage, pushImage } from '../../../infra/images/push-image.ts';
import { parseAcrWebhook } from '../../../src/receiver/acr-webhook.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { uniqueRepository } from '../../support/names.ts';
import { startAcr } from '../../support/start-acr.ts';
import { clientFor } from '../../unit/registry/client-for.ts';
import { startScriptedServer } from '../../unit/registry/scripted-server.ts';

/** An instance, and pushes through its registry with a login of its own. */
async function startSetting() {
  const namespace = uniqueRepository('ns', 'x').slice(2);
  const setting = await startAcr({ upstream: inject('fallbackHost'), namespaces: [namespace] });
  onTestFinished(() => setting.stop());
  const { instance } = setting;
  const { host, realm } = instance.registry;
  const repository = `${namespace}/team/app`;
  const login = await setting.login();
  const basic = Buffer.from(`${login?.username}:${login?.password}`).toString('base64');
  const bearer = async (name: string) => {
    const query = new URLSearchParams({ service: instance.service, scope: `repository:${name}:pull,push` });
    const answer = await fetch(`${realm}?${query}`, { headers: { authorization: `Basic ${basic}` } });
    return `Bearer ${((await answer.json()) as { token: string }).token}`;
  };
  const push = async (tag: string, name = repository, seed = tag): Promise<PushedImage> =>
    await pushImage({ host, repository: name, tag, kind: 'oci-manifest', seed, authorization: await bearer(name) });
  const client = clientFor(host, { realms: [realm], login });
  onTestFinished(() => client.close());
  const repoId = (name = repository) => instance.describe(name).repoId;
  return { ...setting, namespace, repository, push, client, repoId };
}

/** Somebody who is called by triggers. */
async function startHook() {
  const hook = await startScriptedServer(() => ({ status: 202 }));
  onTestFinished(() => hook[Symbol.asyncDispose]());
  return hook;
}

describe('the registry of an emulated instance', () => {
  it('tells the OpenAPI when a tag was pushed', async () => {
    const { call, push, repoId } = await startSetting();
    const before = Date.now();
    const { digest } = await push('v1');
    const { Images } = await call('ListRepoTag', { RepoId: repoId() });
    expect(Images).toMatchObject([{ Tag: 'v1', Digest: digest.slice('sha256:'.length), Status: 'NORMAL' }]);
    expect(Number(Images[0].ImageUpdate)).toBeGreaterThanOrEqual(before);
    const again = await push('v1');
    const { ImageCreate, ImageUpdate } = await call('GetRepoTag', { RepoId: repoId(), Tag: 'v1' });
    expect(again.digest).toBe(digest);
    expect(ImageUpdate).toBeGreaterThan(ImageCreate);
  });

  it('calls the triggers that want the tag, with a body that our receiver reads', async () => {
    const { call, push, repoId, repository, instance } = await startSetting();
    const hook = await startHook();
    await push('v0');
    const trigger = { RepoId: repoId(), TriggerName: 'n', TriggerUrl: `${hook.origin}/all`, TriggerType: 'ALL' };
    await call('CreateRepoTrigger', { ...trigger, TriggerTag: '*' });
    const some = { TriggerType: 'TAG_REG_EXP', TriggerTag: 'v[0-9]+', TriggerUrl: `${hook.origin}/some` };
    await call('CreateRepoTrigger', { ...trigger, ...some });
    const { digest } = await push('v1');
    await push('v1-rc');
    const { registry } = instance;
    await waitUntil(
      async () => registry.deliveries.length,
      (count) => count === 3,
      20_000,
    );
    expect(registry.deliveries.map(({ status }) => status)).toEqual([202, 202, 202]);
    const called = hook.received.map(({ path, body }) => ({ path, ...parseAcrWebhook(JSON.parse(body.toString())) }));
    expect(called.filter(({ path }) => path === '/some')).toMatchObject([{ repository, tag: 'v1', digest }]);
    expect(
      called
        .filter(({ path }) => path === '/all')
        .map(({ tag }) => tag)
        .sort(),
    ).toEqual(['v1', 'v1-rc']);
  });

  it('calls no trigger for a manifest that is pushed by digest, and none that was deleted', async () => {
    const { call, push, repoId, repository, client, instance } = await startSetting();
    const hook = await startHook();
    const { digest, manifest, mediaType } = await push('v0');
    const trigger = { RepoId: repoId(), TriggerName: 'n', TriggerUrl: `${hook.origin}/all`, TriggerType: 'ALL' };
    const { TriggerId } = await call('CreateRepoTrigger', { ...trigger, TriggerTag: '*' });
    await client.putManifest(repository, digest, mediaType, manifest);
    await push('v1');
    await call('DeleteRepoTrigger', { RepoId: repoId(), TriggerId });
    await push('v2');
    await waitUntil(
      async () => instance.registry.deliveries.length,
      (count) => count > 0,
    );
    expect(hook.received.map(({ body }) => JSON.parse(body.toString()).push_data.tag)).toEqual(['v1']);
  });

  it('goes on when nobody answers a trigger', async () => {
    const { call, push, repoId, instance } = await startSetting();
    await push('v0');
    const trigger = { RepoId: repoId(), TriggerName: 'n', TriggerUrl: 'http://127.0.0.1:1025/', TriggerType: 'ALL' };
    await call('CreateRepoTrigger', { ...trigger, TriggerTag: '*' });
    await push('v1');
    await waitUntil(
      async () => instance.registry.deliveries,
      (done) => done.length === 1,
    );
    expect(instance.registry.deliveries).toMatchObject([{ tag: 'v1', status: undefined }]);
  });

  it('takes a deleted tag away until it is pushed again', async () => {
    const { call, push, repoId, repository, client } = await startSetting();
    await push('v1');
    expect(await call('DeleteRepoTag', { RepoId: repoId(), Tag: 'v1' })).toMatchObject({ IsSuccess: true });
    expect(await call('ListRepoTag', { RepoId: repoId() })).toMatchObject({ TotalCount: '0', Images: [] });
    await expect(client.getManifest(repository, 'v1')).rejects.toMatchObject({ code: 'not-found' });
    expect(await call('DeleteRepoTag', { RepoId: repoId(), Tag: 'v1' })).toMatchObject({ Code: 'REPO_TAG_NOT_EXIST' });
    const { digest } = await push('v1');
    expect((await client.getManifest(repository, 'v1')).descriptor.digest).toBe(digest);
  });

  it('refuses to move a tag that is immutable', async () => {
    const { push, repository, instance } = await startSetting();
    await push('v1');
    instance.setRepository(repository, { tagImmutability: true });
    await expect(push('v1', repository, 'other')).rejects.toThrow('403');
    await push('v2');
  });

  it('refuses a repository that is not there where pushes create none', async () => {
    const { push, namespace, instance } = await startSetting();
    instance.addNamespace({ name: `${namespace}-fixed`, autoCreateRepo: false });
    const name = `${namespace}-fixed/app`;
    await expect(push('v1', name)).rejects.toThrow('403');
    instance.setRepository(name, {});
    await push('v1', name);
  });

  it.each([
    ['a token that counts is refused', { unauthorizedNext: 1 }, [401, 200]],
    ['the registry fails', { failNext: { count: 1, status: 503 } }, [503, 200]],
    ['a connection is cut', { cutNext: 1 }, [undefined, 200]],
  ])('lets a client get through when once %s', async (_, fault, statuses) => {
    const { push, repository, client, instance } = await startSetting();
    const { digest } = await push('v1');
    // The client has its token before the fault comes.
    await client.getManifest(repository, 'v1');
    const before = instance.registry.calls.length;
    Object.assign(instance.registry.faults, fault);
    expect((await client.getManifest(repository, 'v1')).descriptor.digest).toBe(digest);
    expect(instance.registry.calls.slice(before).map(({ status }) => status)).toEqual(statuses);
  });

  it('answers nobody while it is down', async () => {
    const { repository, client, instance } = await startSetting();
    instance.registry.faults.down = true;
    await expect(client.getManifest(repository, 'v1')).rejects.toMatchObject({ code: 'registry-unreachable' });
  });
});
