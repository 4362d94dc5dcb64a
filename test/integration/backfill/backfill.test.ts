import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { parseSignJob } from '../../../src/queue/sign-job.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import { keySource } from '../../emulator/sample-client.ts';
import { pushMany } from '../../support/push-many.ts';
import { openBackfillSetting } from './backfill-setting.ts';
import { hosts } from './reconcile-setting.ts';

const [host = ''] = hosts;
const all = { tags: 0, queued: 0, signed: 0, skipped: 0, failed: 0, undated: 0, pending: 0, waiting: 0, unread: 0 };
const never = () => new Promise<never>(() => undefined);

describe.each(hosts)('a backfill of %s', (at) => {
  test('signs what stood before its rule, and nothing else stands in its way', async () => {
    const { stand, prepare, push, backfill, reconcile, work, repository, inspect, ...setting } =
      await openBackfillSetting(at);
    const images = [await stand('v1'), await stand('v2')];
    await prepare();
    await push('v3');
    expect(await reconcile({ ruleSet: setting.ruleSet })).toMatchObject({ tags: 3, queued: 1, existing: 2 });
    work();
    expect(await backfill()).toMatchObject({
      status: 'finished',
      progress: { ...all, tags: 3, queued: 3, signed: 3 },
    });
    for (const { digest } of images)
      expect(await setting.tools.stores.referrers.list(repository, digest)).toHaveLength(1);
    const jobs = await inspect.getCompleted();
    expect(parseSignJob(jobs[0]?.data)).toMatchObject({ lane: 'backfill', cause: { kind: 'backfill' } });
    // The second time there is nothing left to do.
    await setting.forget();
    expect(await backfill()).toMatchObject({ status: 'finished', progress: { ...all, tags: 3, skipped: 3 } });
  });

  test('signs an image again whose signature somebody deleted, with Redis as it was and with an empty one', async () => {
    const { stand, prepare, backfill, work, repository, ...setting } = await openBackfillSetting(at);
    const { digest } = await stand('v1');
    await stand('v2');
    await prepare();
    work();
    await backfill();
    const list = () => setting.tools.stores.referrers.list(repository, digest);
    for (const isEmptied of [false, true]) {
      const [signature] = await list();
      const url = `http://${at}/v2/${repository}/manifests/${signature?.digest}`;
      expect((await fetch(url, { method: 'DELETE' })).status).toBe(202);
      if (isEmptied) await setting.forgetArtifacts();
      await setting.forget();
      expect(await backfill()).toMatchObject({
        status: 'finished',
        progress: { ...all, tags: 2, queued: 1, signed: 1, skipped: 1 },
      });
      const after = await list();
      expect(after).toHaveLength(1);
      await expect(setting.client.getManifest(repository, after[0]?.digest ?? '')).resolves.toBeDefined();
    }
  });
});

describe('what a backfill has signed', () => {
  test('is what the chosen rule demands; what stood before another rule stays as it was', async () => {
    const minimal = { name: 'minimal', mode: 'minimal' } as const;
    const setting = await openBackfillSetting(host, { moreRules: [minimal] });
    const { digest } = await setting.stand('v1');
    await setting.prepare();
    setting.work();
    expect(await setting.backfill({ rule: 'minimal' })).toMatchObject({ progress: { queued: 1, signed: 1 } });
    expect(setting.audited.filter(({ kind }) => kind === 'intent')).toMatchObject([{ rules: ['minimal'] }]);
    const image = { registry: 'lab', repository: setting.repository, tag: 'v1' };
    const standing = (rule: (typeof setting.ruleSet.rules)[number]) =>
      setting.tools.baseline.standing(setting.identityOf(rule), image, digest);
    expect(await Promise.all(setting.ruleSet.rules.map(standing))).toEqual(['existing', 'new']);
  });

  test('is found by a reconcile when its job is lost', async () => {
    const { stand, prepare, backfill, reconcile, inspect, jobs, ruleSet } = await openBackfillSetting(host);
    await stand('v1');
    await prepare();
    await backfill({}, { wait: false });
    await inspect.obliterate({ force: true });
    expect(await reconcile({ ruleSet })).toMatchObject({ queued: 1, existing: 0 });
    expect(jobs).toMatchObject([{ tag: 'v1', cause: { kind: 'reconcile' } }]);
  });

  test('is nothing that is denied, no image, or not selected', async () => {
    const probe = await openBackfillSetting(host);
    const { digest } = await probe.push('v1', 'denied');
    const origin = { file: 'rules.yaml', line: 1 };
    const setting = await openBackfillSetting(host, {
      rule: { tags: { include: ['v*'], exclude: [] } },
      deny: [{ digest, reason: 'leaked', until: undefined, origin }],
    });
    await setting.push('v1', 'denied');
    await setting.push('other');
    await setting.prepare();
    expect(await setting.backfill()).toMatchObject({ status: 'finished', progress: { ...all, tags: 1, skipped: 1 } });
    expect(await setting.inspect.getJobCountByTypes('prioritized', 'waiting', 'completed')).toBe(0);
  });

  test('is nothing while the rule is preparing: the image stays in the baseline and is looked at again', async () => {
    const { stand, prepare, backfill, work, events } = await openBackfillSetting(host);
    await stand('v1');
    expect(await backfill()).toMatchObject({ status: 'partly', progress: { ...all, waiting: 1 } });
    expect(events).toContainEqual(
      expect.objectContaining({ step: 'waiting', reason: expect.stringContaining('release-images is preparing') }),
    );
    await prepare();
    work();
    expect(await backfill()).toMatchObject({ status: 'finished', progress: { ...all, tags: 1, queued: 1, signed: 1 } });
  });

  test('is nothing that a paused key would sign', async () => {
    const { stand, prepare, backfill, events } = await openBackfillSetting(host);
    for (const tag of ['v1', 'v2']) await stand(tag);
    await prepare();
    const keyRing = { get: () => ({ state: 'paused', reason: 'it has no certificate' }) as const };
    expect(await backfill({}, { keyRing })).toMatchObject({ status: 'partly', progress: { ...all, waiting: 2 } });
    expect(events.filter(({ step }) => step === 'waiting')).toHaveLength(1);
  });

  test('is what was built since a time, and what does not tell', async () => {
    // The images of tests say 2026-01-01.
    for (const [since, queued] of [
      ['2025-12-31', 2],
      ['2026-01-02', 1],
    ] as const) {
      const { stand, prepare, backfill, repository } = await openBackfillSetting(host);
      await stand('v1');
      await pushMany({ host, names: [`${repository}:undated`] });
      await prepare();
      const { progress } = await backfill({ since }, { wait: false });
      expect(progress).toMatchObject({ tags: 2, queued, skipped: 2 - queued, undated: 1 });
    }
  });

  test('is in the chosen namespace alone', async () => {
    const setting = await openBackfillSetting(host, {
      rule: { namespaces: { include: ['prod', 'team'], exclude: [] } },
    });
    const { backfill, prepare, repository, inspect } = setting;
    const names = [`${repository}:v1`, `${repository.replace('prod/', 'team/')}:v1`];
    for (const name of names) await pushMany({ host, names: [name] });
    await prepare();
    expect(await backfill({ namespace: 'team' }, { wait: false })).toMatchObject({ progress: { tags: 1, queued: 1 } });
    expect((await inspect.getPrioritized()).map(({ data }) => data.repository)).toEqual([
      repository.replace('prod/', 'team/'),
    ]);
  });

  test('is no more than the limit', async () => {
    const { stand, prepare, backfill, inspect } = await openBackfillSetting(host);
    for (const tag of ['v1', 'v2', 'v3', 'v4', 'v5', 'v6']) await stand(tag);
    await prepare();
    const { status, progress } = await backfill({}, { wait: false, limit: 2 });
    expect({ status, queued: progress.queued }).toEqual({ status: 'finished', queued: 2 });
    expect(await inspect.getPrioritizedCount()).toBe(2);
    // Those of an earlier process count.
    expect((await backfill({}, { wait: false, limit: 3 })).progress.queued).toBe(3);
    expect(await inspect.getPrioritizedCount()).toBe(3);
  });
});

describe('a backfill that goes on', () => {
  test('looks at nothing again but what could not be looked at', async () => {
    const { stand, prepare, backfill, events, asked, access } = await openBackfillSetting(host);
    for (const tag of ['v1', 'v2', 'v3']) await stand(tag);
    await prepare();
    const down = new AutosignError('registry-unreachable', 'connection refused');
    const getManifest: typeof access.client.getManifest = (of, reference, call) =>
      reference === 'v2' ? Promise.reject(down) : access.client.getManifest(of, reference, call);
    const broken = { ...access, client: { ...access.client, getManifest } };
    expect(await backfill({}, { wait: false, accessTo: () => broken })).toMatchObject({
      status: 'partly',
      progress: { tags: 2, queued: 2, unread: 1 },
    });
    expect(events).toContainEqual({
      step: 'unread',
      place: expect.stringMatching(/^lab\/prod\/.*:v2$/),
      reason: 'connection refused',
    });
    asked.length = 0;
    expect(await backfill({}, { wait: false })).toMatchObject({
      status: 'finished',
      progress: { tags: 3, queued: 3, pending: 3, unread: 0 },
    });
    expect(asked).toEqual(['v2']);
    asked.length = 0;
    await backfill({}, { wait: false });
    expect(asked).toEqual([]);
  });

  test('after it was stopped for lack of room queues the rest, each once', async () => {
    const { stand, prepare, backfill, inspect, work } = await openBackfillSetting(host);
    const tags = Array.from({ length: 12 }, (_, number) => `v${number}`);
    for (const tag of tags) await stand(tag);
    await prepare();
    const stopping = new AbortController();
    const window = { concurrency: 2, pendingMax: 6 };
    const stopped = backfill({}, { ...window, stop: stopping.signal });
    while ((await inspect.getPrioritizedCount()) < 5) await sleep(5);
    await sleep(100);
    expect(await inspect.getPrioritizedCount()).toBeLessThanOrEqual(6);
    stopping.abort();
    expect(await stopped).toMatchObject({ status: 'stopped', progress: { signed: 0 } });
    work();
    expect(await backfill({}, window)).toMatchObject({
      status: 'finished',
      progress: { ...all, tags: 12, queued: 12, signed: 12 },
    });
    expect((await inspect.getCompleted()).map(({ data }) => data.tag).sort()).toEqual([...tags].sort());
  });
});

describe('the jobs of a backfill', () => {
  async function openWith(...tags: string[]) {
    const setting = await openBackfillSetting(host);
    for (const tag of tags) await setting.stand(tag);
    await setting.prepare();
    return setting;
  }

  test('are counted as failed when they are dead letters, with name and cause', async () => {
    const { backfill, work, events, repository } = await openWith('v1');
    work(async () => ({ next: 'give-up', error: new AutosignError('registry-denied', 'no') }));
    const { status, progress, failures } = await backfill();
    expect({ status, progress }).toEqual({ status: 'finished', progress: { ...all, tags: 1, queued: 1, failed: 1 } });
    expect([...failures]).toEqual([[`lab/${repository}:v1`, 'registry-denied']]);
    expect(events).toContainEqual({ step: 'failed', image: `lab/${repository}:v1`, code: 'registry-denied' });
  });

  test('are told of when the workers leave the image unsigned', async () => {
    const { backfill, work, events } = await openWith('v1');
    work(async () => ({ next: 'done', outcome: { status: 'no-rule', reason: 'No rule wants this image.' } }));
    expect(await backfill()).toMatchObject({ progress: { ...all, tags: 1, queued: 1, skipped: 1 } });
    expect(events).toContainEqual(expect.objectContaining({ step: 'left', reason: 'No rule wants this image.' }));
  });

  test('that are gone are looked for in the registry: a signature counts, and what lacks one is queued again', async () => {
    const { backfill, work, inspect, sign, ruleSet, tools, repository, access } = await openWith('v1', 'v2');
    await backfill({}, { wait: false });
    await sign('v1', { ...tools, ruleSet });
    for (const job of await inspect.getPrioritized()) await job.remove();
    work();
    expect(await backfill()).toMatchObject({
      status: 'finished',
      progress: { ...all, tags: 2, queued: 2, signed: 2 },
    });
    for (const tag of ['v1', 'v2']) {
      const { descriptor } = await access.client.getManifest(repository, tag);
      expect(await tools.stores.referrers.list(repository, descriptor.digest)).toHaveLength(1);
    }
    expect((await inspect.getCompleted()).map(({ data }) => data.tag)).toEqual(['v2']);
  });

  test('that nobody takes are told of', async () => {
    const { backfill, events } = await openWith('v1');
    const stopping = new AbortController();
    const waiting = backfill({}, { idleMs: 30, stop: stopping.signal });
    while (!events.some(({ step }) => step === 'idle')) await sleep(5);
    expect(events).toContainEqual(expect.objectContaining({ step: 'idle', pending: 1 }));
    stopping.abort();
    expect(await waiting).toMatchObject({ status: 'stopped', progress: { pending: 1 } });
  });
});

describe('a backfill that cannot go on', () => {
  test('ends when Redis takes no job, and keeps nothing of the image', async () => {
    const { stand, prepare, backfill, work } = await openBackfillSetting(host);
    await stand('v1');
    await prepare();
    const away = new AutosignError('redis-unreachable', 'Redis is away');
    await expect(backfill({}, { lane: { add: () => Promise.reject(away) } })).rejects.toBe(away);
    work();
    expect(await backfill()).toMatchObject({ progress: { ...all, tags: 1, queued: 1, signed: 1 } });
  });

  test('ends when the jobs cannot be followed, and when its lease is lost', async () => {
    const { stand, prepare, backfill } = await openBackfillSetting(host);
    await stand('v1');
    await prepare();
    const away = new AutosignError('redis-unreachable', 'Redis is away');
    await expect(backfill({}, { ends: { read: () => Promise.reject(away) } })).rejects.toBe(away);
    const lost = new AutosignError('lock-lost', 'another process holds it');
    const losing = new AbortController();
    const ended = backfill({}, { ends: { read: never }, signal: losing.signal });
    losing.abort(lost);
    await expect(ended).rejects.toBe(lost);
  });

  test('walks the other registries when one cannot be walked', async () => {
    const setting = await openBackfillSetting(host, { rule: { registries: ['far', 'lab'] } });
    await setting.push('v1');
    for (const name of ['far', 'lab']) {
      const walk = await setting.tools.baseline.begin(setting.identity, name);
      await setting.tools.baseline.complete(setting.identity, name, walk);
    }
    const down = new AutosignError('registry-unreachable', 'connection refused');
    const listTags = async function* () {
      yield* [];
      throw down;
    };
    const { access } = setting;
    const listing = createOciListing({ ...access.client, listTags });
    const far = { ...access, registry: { ...access.registry, name: 'far' }, listing };
    const accessTo = (name: string) => (name === 'far' ? far : access);
    const end = await setting.backfill({}, { wait: false, accessTo });
    expect(end).toMatchObject({ status: 'partly', errors: [down], progress: { tags: 1, queued: 1 } });
    expect(setting.events).toContainEqual({ step: 'broken-off', registry: 'far', reason: 'connection refused' });
  });
});

describe('an estimate', () => {
  test('counts images and signatures and changes nothing, whether the rule is preparing or not', async () => {
    const minimal = { name: 'minimal', mode: 'minimal' } as const;
    const { stand, push, estimate, prepare, tools, identity, inspect, repository } = await openBackfillSetting(host, {
      moreRules: [minimal],
    });
    const { digest } = await stand('v1');
    await push('v2', 'v1');
    const expected = { estimate: { images: 2, signatures: 3, kmsCalls: 0, seconds: 0 }, errors: [] };
    expect(await estimate()).toEqual(expected);
    await prepare();
    expect(await estimate()).toEqual(expected);
    const image = { registry: 'lab', repository, tag: 'v1' };
    expect(await tools.baseline.standing(identity, image, digest)).toBe('existing');
    expect(await inspect.getJobCountByTypes('prioritized', 'waiting')).toBe(0);
  });

  test('counts a call of KMS for each signature with a key that is there', async () => {
    const { push, estimate, prepare, tools } = await openBackfillSetting(host);
    for (const tag of ['v1', 'v2']) await push(tag);
    await prepare();
    const ready = tools.keyRing.get('release');
    if (ready.state === 'paused') throw new Error(ready.reason);
    const source = keySource('http://127.0.0.1:1');
    const signingKey = { ...ready.signingKey, key: { ...ready.signingKey.key, source } };
    const keyRing = { get: () => ({ state: 'ready', signingKey }) as const };
    expect(await estimate({ keyRing })).toMatchObject({
      estimate: { images: 2, signatures: 2, kmsCalls: 2, seconds: 1 },
    });
    // By the gateway of a KMS instance no quota of the account holds.
    Object.assign(source, { endpoint: 'kst-1.cryptoservice.kms.aliyuncs.com' });
    expect(await estimate({ keyRing })).toMatchObject({ estimate: { kmsCalls: 2, seconds: 0 } });
  });
});
