import { describe, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { parseSignJob } from '../../../src/queue/sign-job.ts';
import { createOciListing } from '../../../src/registry/oci-listing.ts';
import { hosts, nothing, openReconcileSetting } from './reconcile-setting.ts';

describe.each(hosts)('a reconcile of %s', (host) => {
  test('queues each tag that lacks its signature once, behind live pushes, and no other', async () => {
    const { push, sign, reconcile, jobs, repository } = await openReconcileSetting(host);
    for (const tag of ['v1', 'v2', 'v3']) await push(tag);
    await sign('v2');
    expect(await reconcile()).toEqual({ ...nothing, tags: 3, queued: 2 });
    expect(jobs.map(({ tag }) => tag).sort()).toEqual(['v1', 'v3']);
    expect(parseSignJob(jobs[0])).toMatchObject({
      registry: 'lab',
      repository,
      lane: 'backfill',
      cause: { kind: 'reconcile' },
    });
    for (const tag of ['v1', 'v3']) await sign(tag);
    expect(await reconcile()).toEqual({ ...nothing, tags: 3 });
    expect(jobs).toHaveLength(2);
  });

  test('queues again what lost its signature', async () => {
    const { push, sign, reconcile, jobs, client, store, repository } = await openReconcileSetting(host);
    const { digest } = await push('v1');
    await sign('v1');
    expect(await reconcile()).toEqual({ ...nothing, tags: 1 });
    const [signature] = await store.list(repository, digest);
    await fetch(`http://${host}/v2/${repository}/manifests/${signature?.digest}`, { method: 'DELETE' });
    if ((await store.list(repository, digest)).length > 0) {
      // A registry that keeps no list itself: whoever deletes the signature takes it out of the fallback tag.
      const list = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] };
      const fallbackTag = digest.replace(':', '-');
      await client.putManifest(repository, fallbackTag, list.mediaType, Buffer.from(JSON.stringify(list)));
    }
    expect(await store.list(repository, digest)).toEqual([]);
    expect(await reconcile()).toEqual({ ...nothing, tags: 1, queued: 1 });
    expect(jobs).toMatchObject([{ tag: 'v1' }]);
  });

  test('queues again what lost the signature of one of two formats', async () => {
    const formats = ['notation', 'cosign'] as const;
    const { push, sign, reconcile, jobs, client, repository } = await openReconcileSetting(host, { formats });
    const { digest } = await push('v1');
    await sign('v1');
    expect(await reconcile()).toEqual({ ...nothing, tags: 1 });
    const sigTag = `${digest.replace(':', '-')}.sig`;
    const { descriptor, bytes } = await client.getManifest(repository, sigTag);
    const emptied = { ...JSON.parse(Buffer.from(bytes).toString()), layers: [] };
    await client.putManifest(repository, sigTag, descriptor.mediaType, Buffer.from(JSON.stringify(emptied)));
    expect(await reconcile()).toEqual({ ...nothing, tags: 1, queued: 1 });
    expect(jobs).toMatchObject([{ tag: 'v1' }]);
    await sign('v1');
    expect(await reconcile()).toEqual({ ...nothing, tags: 1 });
  });

  test('leaves alone what stood before its rule, and queues what came later', async () => {
    const { push, reconcile, jobs, tools, identity, repository } = await openReconcileSetting(host, {
      existing: 'ignore',
    });
    const { digest } = await push('v1');
    const { baseline } = tools;
    expect(await reconcile()).toEqual({ ...nothing, tags: 1, waiting: 1 });
    const walk = await baseline.begin(identity, 'lab');
    await baseline.enter(identity, { registry: 'lab', repository, tag: 'v1' }, digest);
    await baseline.complete(identity, 'lab', walk);
    await push('v2');
    expect(await reconcile()).toEqual({ ...nothing, tags: 2, queued: 1, existing: 1 });
    expect(jobs).toMatchObject([{ tag: 'v2' }]);
    await push('v1', 'another image under the tag that stood');
    expect(await reconcile()).toEqual({ ...nothing, tags: 2, queued: 2 });
  });

  test('a tag that cannot be looked at is counted and logged, and the others are looked at', async () => {
    const { push, reconcile, jobs, log, client, options, repository } = await openReconcileSetting(host);
    for (const tag of ['v1', 'v2', 'v3']) await push(tag);
    const getManifest: typeof client.getManifest = (of, reference, call) =>
      reference === 'v2'
        ? Promise.reject(new AutosignError('manifest-invalid', 'the media type is wrong'))
        : client.getManifest(of, reference, call);
    const access = { ...options.access, client: { ...client, getManifest } };
    expect(await reconcile({ access })).toEqual({ ...nothing, tags: 3, queued: 2, failed: 1 });
    expect(jobs.map(({ tag }) => tag).sort()).toEqual(['v1', 'v3']);
    expect(log).toMatchObject([
      { level: 'warn', registry: 'lab', repository, tag: 'v2', err: { code: 'manifest-invalid' } },
    ]);
  });

  test('what a paused key signs waits, as nobody can tell whether it is signed', async () => {
    const { push, reconcile, jobs } = await openReconcileSetting(host);
    await push('v1');
    const keyRing = { get: () => ({ state: 'paused', reason: 'it is disabled' }) as const };
    expect(await reconcile({ keyRing })).toEqual({ ...nothing, tags: 1, waiting: 1 });
    expect(jobs).toEqual([]);
  });

  test.each([
    ['state audit', { state: 'audit' }],
    ['state off', { state: 'off' }],
    ['another registry', { registries: ['far'] }],
    ['tags that are not there', { tags: { include: ['release-*'], exclude: [] } }],
  ] as const)('asks no tag of a rule with %s', async (_what, rule) => {
    const { push, reconcile } = await openReconcileSetting(host, rule);
    await push('v1');
    expect(await reconcile()).toEqual(nothing);
  });
});

const [host = ''] = hosts;

test('dead letters go when the image lacks nothing, and one stays while it does', async () => {
  const { push, sign, reconcile } = await openReconcileSetting(host);
  for (const tag of ['v1', 'v2']) await push(tag);
  await sign('v1');
  const done: string[] = [];
  const deadLetters = {
    keepNewest: async ({ tag }: { tag: string }) => void done.push(`keep newest of ${tag}`),
    takeAway: async ({ tag }: { tag: string }) => void done.push(`take away those of ${tag}`),
  };
  await reconcile({ deadLetters });
  expect(done.sort()).toEqual(['keep newest of v2', 'take away those of v1']);
});

describe('marks of pushes', () => {
  test('one whose job was never queued goes once nothing is missing, and not before', async () => {
    const { push, sign, reconcile, marks, repository, ruleSet } = await openReconcileSetting(host);
    const image = { registry: 'lab', repository, tag: 'v1' };
    await push('v1');
    await marks.mark(image, ruleSet.hash);
    await reconcile();
    expect(await marks.read(image)).toBeDefined();
    await sign('v1');
    await reconcile();
    expect(await marks.read(image)).toBeUndefined();
  });

  test('one that is set while the tag is looked at stays', async () => {
    const { push, sign, reconcile, marks, repository, client, options, ruleSet } = await openReconcileSetting(host);
    const image = { registry: 'lab', repository, tag: 'v1' };
    await push('v1');
    await sign('v1');
    await marks.mark(image, ruleSet.hash);
    const getManifest: typeof client.getManifest = async (...args) => {
      await marks.mark(image, ruleSet.hash);
      return client.getManifest(...args);
    };
    await reconcile({ access: { ...options.access, client: { ...client, getManifest } } });
    expect(await marks.read(image)).toBeDefined();
  });
});

describe('a registry that is not as it should be', () => {
  test('that is down half way ends the walk', async () => {
    const { push, reconcile, client, options } = await openReconcileSetting(host);
    await push('v1');
    const down = new AutosignError('registry-unreachable', 'connection refused');
    let asked = 0;
    const broken = {
      ...client,
      listTags: async function* () {
        for (let number = 0; number < 1_000; number += 1) yield `v${number}`;
      },
      getManifest: () => {
        asked += 1;
        return Promise.reject(down);
      },
    };
    const walked = reconcile({ access: { ...options.access, client: broken, listing: createOciListing(broken) } });
    await expect(walked).rejects.toBe(down);
    expect(asked).toBeLessThan(40);
  });

  test('whose catalogue is refused still has the repositories looked at that rules name', async () => {
    const setting = await openReconcileSetting(host);
    const { push, reconcile, jobs, client, options, ruleSet, rule } = setting;
    await push('v1');
    const refused = new AutosignError('registry-denied', 'no catalogue for you');
    const listRepositories: typeof client.listRepositories = async function* () {
      yield* [];
      throw refused;
    };
    const wide = { ...rule, name: 'wide', repositories: undefined };
    const walked = reconcile({
      ruleSet: { ...ruleSet, rules: [wide, rule] },
      access: { ...options.access, listing: createOciListing({ ...client, listRepositories }) },
    });
    await expect(walked).rejects.toBe(refused);
    expect(jobs).toMatchObject([{ tag: 'v1' }]);
  });

  test('looks at a tag once that rules with and without names of repositories select', async () => {
    const { push, reconcile, client, options, ruleSet, rule, repository } = await openReconcileSetting(host);
    await push('v1');
    const listRepositories: typeof client.listRepositories = async function* () {
      yield repository;
    };
    const wide = { ...rule, name: 'wide', repositories: undefined };
    const access = { ...options.access, listing: createOciListing({ ...client, listRepositories }) };
    expect(await reconcile({ ruleSet: { ...ruleSet, rules: [wide, rule] }, access })).toMatchObject({ tags: 1 });
  });

  test('a repository that may not be listed is counted, and the others are looked at', async () => {
    const { push, reconcile, client, options, ruleSet, rule } = await openReconcileSetting(host);
    await push('v1');
    const repositories = { include: ['secret', ...(rule.repositories?.include ?? [])], exclude: [] };
    const listTags: typeof client.listTags = async function* (of, call) {
      if (of === 'prod/secret') throw new AutosignError('registry-denied', 'not yours');
      yield* client.listTags(of, call);
    };
    const walked = await reconcile({
      ruleSet: { ...ruleSet, rules: [{ ...rule, repositories }] },
      access: { ...options.access, listing: createOciListing({ ...client, listTags }) },
    });
    expect(walked).toEqual({ ...nothing, tags: 1, queued: 1, failed: 1 });
  });
});

test('ends when Redis takes no job, and when it is told to stop', async () => {
  const { push, reconcile } = await openReconcileSetting(host);
  await push('v1');
  const full = new AutosignError('redis-unreachable', 'Redis is full');
  await expect(reconcile({ add: () => Promise.reject(full) })).rejects.toBe(full);
  await expect(reconcile({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
});
