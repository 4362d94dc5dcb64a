import { describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { putManifest } from '../../../infra/images/registry-upload.ts';
import { lookAtImage } from '../../../src/backfill/look-at-image.ts';
import { type ReconcileOptions, reconcileRegistry } from '../../../src/backfill/reconcile.ts';
import { type TakeBaselinesOptions, takeBaselines } from '../../../src/backfill/take-baselines.ts';
import { builtFormats } from '../../../src/formats/built-formats.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import { allowing } from '../../support/start-acr.ts';
import { type AcrJobsOptions, leastPolicies, openAcrJobs } from '../alibaba/acr-setting.ts';
import { nothing } from './reconcile-setting.ts';

const logger = createLogger({ level: 'silent' });

async function openWalk(options: AcrJobsOptions = {}) {
  const setting = await openAcrJobs(options);
  const { access, ruleSet, baseline, marks, desired, rule } = setting;
  const queued: SignJob[] = [];
  const shared = { ruleSet, baseline, logger, concurrency: 4, signal: new AbortController().signal };
  const identity = ruleIdentity(ruleSet, rule);
  return {
    ...setting,
    queued,
    reconcile: (more: Partial<ReconcileOptions> = {}) =>
      reconcileRegistry({
        ...shared,
        access,
        keyRing: desired().keyRing,
        marks,
        formats: builtFormats,
        clock: systemClock,
        add: async (job) => void queued.push(job),
        ...more,
      }),
    takeBaselines: (more: Partial<TakeBaselinesOptions> = {}) =>
      takeBaselines({
        ...shared,
        accessTo: () => access,
        firstSeen: { since: async () => new Date() },
        clocksApartMs: 0,
        settleMs: 1,
        onComplete: () => undefined,
        ...more,
      }),
    standing: (image: Awaited<ReturnType<typeof setting.push>>, tag = 'v1') =>
      baseline.standing(identity, { registry: 'lab', repository: image.repository, tag }, image.digest),
    isComplete: () => baseline.isComplete(identity, 'lab'),
  };
}

describe('a reconcile of an ACR instance', () => {
  test('lists by the OpenAPI what its rules select, and never asks for the catalogue', async () => {
    const { push, sign, reconcile, queued, callsOf, instance, namespace } = await openWalk();
    const upstream = inject('fallbackHost');
    await pushImage({ host: upstream, repository: `other-${namespace}/app`, tag: 'v1', kind: 'oci-manifest' });
    await push('app');
    await push('agent/client/prod', 'v2');
    await push('app', 'signed');
    await sign('app', 'signed');
    expect(await reconcile()).toEqual({ ...nothing, tags: 3, queued: 2 });
    expect(queued.map(({ repository, tag }) => `${repository}:${tag}`).sort()).toEqual([
      `${namespace}/agent/client/prod:v2`,
      `${namespace}/app:v1`,
    ]);
    expect(callsOf('ListNamespace').length).toBe(1);
    expect(callsOf('ListRepository').length).toBe(1);
    expect(callsOf('ListRepoTag').length).toBe(2);
    // The ids come with the list.
    expect(callsOf('GetRepository')).toEqual([]);
    const listed = instance.registry.calls.filter(({ path }) => /_catalog|tags\/list/.test(path));
    expect(listed).toEqual([]);
  });

  test('goes over pages of 100', async () => {
    const { push, access, instance, callsOf } = await openWalk();
    const { repository, mediaType, manifest } = await push('app', 'v0');
    for (let tag = 1; tag < 130; tag += 1) {
      await putManifest({ host: inject('fallbackHost'), repository }, `v${tag}`, mediaType, manifest);
    }
    expect(await Array.fromAsync(access.listing.listTags(repository))).toHaveLength(130);
    expect(callsOf('ListRepoTag')).toHaveLength(2);
    expect(instance.registry.calls.filter(({ path }) => path.includes('tags/list'))).toEqual([]);
  });

  test('asks for no other namespace than those of its rules', async () => {
    const { push, reconcile, instance, callsOf } = await openWalk();
    instance.addNamespace({ name: 'not-wanted' });
    await push('app');
    await reconcile();
    expect(callsOf('ListRepository')).toHaveLength(1);
  });

  test('needs no more than the rights that the documentation names', async () => {
    const { push, reconcile } = await openWalk({ acr: { policies: leastPolicies } });
    await push('app');
    expect(await reconcile()).toEqual({ ...nothing, tags: 1, queued: 1 });
  });

  test.each([
    ['ListNamespace', 'registry-denied', 'NoPrivilege'],
    ['ListRepository', 'registry-denied', 'NoPrivilege'],
    ['ListNamespace', 'registry-protocol', 'SOMETHING_NEW'],
    ['ListRepository', 'registry-login-refused', 'INSTANCE_NOT_EXIST'],
  ])('is an error when %s fails with %s, and finds nothing instead of little', async (action, code, alibabaCode) => {
    const { push, reconcile, queued, emulator } = await openWalk();
    await push('app');
    emulator.acr.faults.failInsideNext = { count: 9, code: alibabaCode, action };
    await expect(reconcile()).rejects.toMatchObject({ code, message: expect.stringContaining(alibabaCode) });
    expect(queued).toEqual([]);
  });

  test('counts a repository whose tags may not be listed, and goes on with the others', async () => {
    const { push, reconcile, queued, emulator } = await openWalk();
    await push('a');
    await push('b');
    emulator.acr.faults.failInsideNext = { count: 1, code: 'NoPrivilege', action: 'ListRepoTag' };
    expect(await reconcile()).toEqual({ ...nothing, tags: 1, queued: 1, failed: 1 });
    expect(queued).toHaveLength(1);
  });

  test('goes on when the OpenAPI was away for a moment', async () => {
    const { push, reconcile, emulator } = await openWalk();
    await push('app');
    emulator.faults.failNext = { count: 1, status: 503, code: 'ServiceUnavailable', action: 'ListRepoTag' };
    expect(await reconcile()).toEqual({ ...nothing, tags: 1, queued: 1 });
  });
});

describe('a baseline of an ACR instance', () => {
  const rule = 'existing: ignore';

  test('holds what stood, and leaves what was pushed for the rule to be signed after a loss', async () => {
    const { push, takeBaselines: take, standing, instance } = await openWalk({ rule });
    const [old, late] = [await push('old'), await push('late')];
    const pushedAt = instance.pushTimes(late.repository, 'v1').lastMs;
    const before = instance.pushTimes(old.repository, 'v1').lastMs;
    expect(pushedAt).toBeGreaterThan(before);
    expect(await take({ firstSeen: { since: async () => new Date(before) } })).toEqual([]);
    expect([await standing(old), await standing(late)]).toEqual(['existing', 'new']);
  });

  test('is not complete while the instance cannot be listed, and says why', async () => {
    const { push, takeBaselines: take, isComplete, emulator } = await openWalk({ rule });
    await push('app');
    emulator.acr.faults.failInsideNext = { count: 1, code: 'NoPrivilege', action: 'ListNamespace' };
    expect(await take()).toEqual([{ rule: 'all', registry: 'lab', reason: expect.stringContaining('NoPrivilege') }]);
    expect(await isComplete()).toBe(false);
    expect(await take()).toEqual([]);
    expect(await isComplete()).toBe(true);
  });

  test('is not complete when the rule names a repository that may not be looked up', async () => {
    const policies = [allowing('cr:GetAuthorizationToken', '*')];
    const repositories = ', repositories: { include: [app] }';
    const {
      takeBaselines: take,
      isComplete,
      callsOf,
    } = await openWalk({ rule: `${rule}${repositories}`, acr: { policies } });
    expect(await take()).toMatchObject([{ reason: expect.stringMatching(/GetRepository.*NoPrivilege/) }]);
    expect(await isComplete()).toBe(false);
    expect(callsOf('ListNamespace')).toEqual([]);
  });

  test('of a named repository that is not there is complete and empty', async () => {
    const { takeBaselines: take, isComplete } = await openWalk({ rule: `${rule}, repositories: { include: [app] }` });
    expect(await take()).toEqual([]);
    expect(await isComplete()).toBe(true);
  });

  test('is not complete when the host is the registry of another instance', async () => {
    const {
      push,
      takeBaselines: take,
      isComplete,
      emulator,
      namespace,
    } = await openWalk({ rule, instanceId: 'cri-other' });
    await push('app');
    const other = await emulator.acr.addInstance({
      instanceId: 'cri-other',
      upstream: inject('fallbackHost'),
      namespaces: [{ name: namespace }],
    });
    expect(other.instanceId).toBe('cri-other');
    expect(await take()).toMatchObject([{ reason: expect.stringMatching(/cri-emulated.*cri-other/) }]);
    expect(await isComplete()).toBe(false);
  });
});

describe('a backfill since a time', () => {
  test.each([
    ['before it', -1, 'skipped'],
    ['after it', 1, 'queued'],
  ])('goes by the push time that the instance tells: pushed %s', async (_, seconds, expected) => {
    const { push, access, ruleSet, desired } = await openWalk();
    const { repository } = await push('app');
    const since = new Date();
    const looked = await lookAtImage(
      { registry: 'lab', repository, tag: 'v1' },
      {
        access,
        ruleSet,
        keyRing: desired().keyRing,
        formats: builtFormats,
        clock: systemClock,
        since,
        mayTake: () => true,
        take: async () => ({ job: 'job' }),
        signal: new AbortController().signal,
      },
      new Date(since.getTime() + seconds * 1000),
    );
    expect(looked.kind).toBe(expected);
  });
});
