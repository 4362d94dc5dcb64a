import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type PushedImage, pushImage } from '../../infra/images/push-image.ts';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { createPushMarks } from '../../src/coordination/push-marks.ts';
import { type Digest, digestOf } from '../../src/domain/digest.ts';
import { deadLettersMax, signQueuePrefix } from '../../src/queue/job-options.ts';
import { waitUntil } from '../e2e/wait-until.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { type Expected, faultless, type Subject } from './checker.ts';
import { type EmulatedCloud, startEmulatedCloud } from './emulated-cloud.ts';
import { pushOf } from './open-worker.ts';
import { report } from './report.ts';
import type { Service } from './service-group.ts';
import { strangeJobs } from './strange-jobs.ts';

const tags = { include: ['v*'], exclude: ['*-rc*'] };
const common = { existing: 'sign', mode: 'default', key: 'release', algorithm: 'ECDSA_SHA_256', tags };
const deniedSeed = 'a leaked credential is in it';

describe.skipIf(!canRun)('whoever can only reach us', () => {
  let cloud: EmulatedCloud;
  let setting: ChaosSetting;
  let worker: Service;
  let old: { readonly place: Tagged; readonly image: PushedImage };
  beforeAll(async () => {
    cloud = await startEmulatedCloud();
    setting = await startChaosSetting({
      kms: cloud.kmsAt(cloud.emulator.url),
      workerEnvironment: cloud.workerEnvironment,
      rule: { ...common, name: 'default-images', namespaces: { include: ['prod'] } },
      moreRules: [
        { ...common, name: 'minimal-images', namespaces: { include: ['minimal'] }, mode: 'minimal' },
        { ...common, name: 'new-images', namespaces: { include: ['standing'] }, existing: 'ignore' },
        { ...common, name: 'images-of-b', namespaces: { include: ['team-b'] }, registries: ['referrers'] },
      ],
      deny: (await digestsOf(deniedSeed)).map((digest) => ({ digest, reason: 'leaked credential' })),
      // The one walk at the start; what is signed later was asked for.
      settings: { AUTOSIGN_RECONCILE_INTERVAL: '24h' },
    });
    const place: Tagged = { registry: 'fallback', repository: uniqueRepository('app', 'standing'), tag: 'v1' };
    old = { place, image: await setting.push(place) };
    [worker] = await Promise.all([setting.group.startWorker('worker'), setting.group.startReceiver()]);
    await waitUntil(
      async () => setting.group.logLines().filter((line) => line.includes('was compared with the rules')),
      (walked) => walked.length >= 2,
    );
  });
  afterAll(async () => {
    await setting?.stop();
    await cloud?.stop();
  });

  const newPlace = (namespace: string, more: Partial<Tagged> = {}): Tagged => ({
    registry: 'referrers',
    repository: uniqueRepository('app', namespace),
    tag: 'v1',
    ...more,
  });
  const keyUses = () => cloud.emulator.calls.filter(({ action }) => action === 'AsymmetricSign').length;
  /** What the key was asked to sign, as the worker's audit file has it. */
  async function audited(): Promise<readonly string[]> {
    const lines = (await readFile(join(setting.group.directory, 'worker', 'audit.jsonl'), 'utf8')).trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line || '{}'));
    return entries.flatMap(({ kind, repository, digest }) => (kind === 'intent' ? [`${repository}@${digest}`] : []));
  }
  const targetOf = ({ registry, repository }: Tagged) => ({ host: setting.registries[registry].host, repository });
  const addJob = (data: unknown, name = 'push') => setting.group.queue.bullmq.add(name, data, { attempts: 1 });

  interface Attempt {
    readonly scenario: string;
    /** What the stranger does. */
    readonly act: () => Promise<unknown>;
    readonly forbidden: readonly Subject[];
    /** What a reconcile would sign as well; nothing when absent. */
    readonly expected?: readonly Expected[];
  }

  /** Does it, waits until nothing is under way, and looks at the registries and at what the key was asked for. */
  async function attempt({ scenario, act, forbidden, expected = [] }: Attempt): Promise<void> {
    const startedAt = performance.now();
    const before = { keyUses: keyUses(), audited: await audited() };
    await act();
    await setting.group.queue.untilIdle();
    const findings = await setting.check({ expected, forbidden });
    report({ scenario: `forged: ${scenario}`, rounds: 1, pushes: forbidden.length, faults: 1, findings, startedAt });
    expect(findings).toEqual(faultless);
    const signed = (await audited()).slice(before.audited.length);
    // Jobs of a stranger are not deduplicated, so two may be on one image and both ask; one signature is listed.
    expect(new Set(signed)).toEqual(new Set(expected.map(({ repository, digest }) => `${repository}@${digest}`)));
    expect(keyUses() - before.keyUses).toBe(signed.length);
  }

  /** The signature that the namespace's rule asks for. */
  function signatureOf(place: Tagged, digest: Digest): Expected {
    return place.repository.startsWith('minimal/') ? setting.subject(place, digest) : setting.expected(place, digest);
  }

  /** An image under a tag that no rule selects, and one under no tag at all. */
  async function pushUnwanted(place: Tagged) {
    const dev = await setting.push({ ...place, tag: 'dev' }, `dev of ${place.repository}`);
    const bytes = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(dev.manifest).toString()), annotations: {} }));
    const untagged = digestOf(bytes);
    await putManifest(targetOf(place), untagged, dev.mediaType, bytes);
    return [dev.digest, untagged];
  }

  test.each(['prod', 'minimal'])(
    'has no digest signed by naming it with a tag that points elsewhere (%s)',
    async (namespace) => {
      const place = newPlace(namespace);
      const unwanted = await pushUnwanted(place);
      const { digest } = await setting.push(place);
      await attempt({
        scenario: `another digest than the tag's (${namespace})`,
        act: async () => {
          for (const named of unwanted) expect(await setting.group.post({ ...place, digest: named })).toBe(202);
        },
        forbidden: unwanted.map((named) => setting.subject(place, named)),
        expected: [signatureOf(place, digest)],
      });
    },
  );

  test.each(['prod', 'minimal'])(
    'has no digest signed by naming it with a tag that is not there (%s)',
    async (namespace) => {
      const place = newPlace(namespace);
      const unwanted = await pushUnwanted(place);
      const elsewhere = newPlace('nobodys', { tag: 'v9' });
      const { digest } = await setting.push(elsewhere);
      const excluded = await setting.push({ ...place, tag: 'v9-rc1' });
      await attempt({
        scenario: `a false tag (${namespace})`,
        act: async () => {
          for (const named of [...unwanted, digest, excluded.digest]) {
            for (const tag of ['v9', 'v9-rc1', 'dev']) {
              expect(await setting.group.post({ ...place, tag, digest: named })).toBe(202);
            }
            await setting.group.post({ ...elsewhere, digest: named });
          }
        },
        forbidden: [
          ...[...unwanted, excluded.digest].map((named) => setting.subject(place, named)),
          setting.subject(elsewhere, digest),
        ],
      });
    },
  );

  test.each(['prod', 'minimal'])(
    'has no denied digest signed, and no index that contains one (%s)',
    async (namespace) => {
      const place = newPlace(namespace);
      const named = [
        { ...place, image: await pushImage({ ...targetOf(place), tag: 'v1', kind: 'oci-manifest', seed: deniedSeed }) },
        {
          ...place,
          tag: 'v2',
          image: await pushImage({ ...targetOf(place), tag: 'v2', kind: 'oci-index', seed: deniedSeed }),
        },
      ];
      await attempt({
        scenario: `a denied digest (${namespace})`,
        act: async () => {
          for (const { image, ...each } of named) {
            await setting.group.post({ ...each, digest: image.digest });
            await addJob(pushOf(each));
          }
        },
        forbidden: named.flatMap(({ image }) =>
          [image, ...image.children].map(({ digest }) => setting.subject(place, digest)),
        ),
      });
    },
  );

  test("has nothing signed in another registry with one registry's token", async () => {
    const { group, proxies } = setting;
    const place = newPlace('team-b');
    const [there, here] = [await setting.push(place), await setting.push({ ...place, registry: 'fallback' })];
    proxies.referrers.forget();
    await attempt({
      scenario: "another registry's namespace",
      act: async () => {
        expect(await group.post({ ...place, registry: 'fallback', digest: there.digest })).toBe(202);
        expect(await group.post({ ...place, registry: 'fallback', digest: here.digest })).toBe(202);
        const stolen = new URL(group.webhookUrl('fallback'));
        stolen.pathname = stolen.pathname.replace('/fallback/', '/referrers/');
        expect((await fetch(stolen, { method: 'POST', body: '{}' })).status).toBe(401);
      },
      forbidden: [
        setting.subject(place, there.digest),
        setting.subject({ ...place, registry: 'fallback' }, here.digest),
      ],
    });
    expect(proxies.referrers.requests.filter(({ path }) => path.includes(place.repository))).toEqual([]);
    await attempt({
      scenario: "a registry's own namespace",
      act: () => group.post({ ...place, digest: there.digest }),
      forbidden: [],
      expected: [setting.expected(place, there.digest)],
    });
  });

  test.each([['prod'], ['minimal']])(
    'has no job in Redis sign more than the tag that it names (%s)',
    async (namespace) => {
      const place = newPlace(namespace);
      const unwanted = await pushUnwanted(place);
      const { digest } = await setting.push(place);
      const requestedAt = new Date().toISOString();
      await attempt({
        scenario: `jobs in Redis (${namespace})`,
        act: async () => {
          for (const eventDigest of unwanted) {
            await addJob(pushOf(place, { cause: { kind: 'push', eventDigest, receivedAt: requestedAt } }));
            await addJob(pushOf({ ...place, tag: 'dev' }, { cause: { kind: 'operator', requestedAt } }));
            await addJob(pushOf({ ...place, tag: 'v9' }, { cause: { kind: 'reconcile', requestedAt } }), 'backfill');
            await addJob(pushOf({ ...place, tag: eventDigest.replace(':', '-') }));
          }
        },
        forbidden: unwanted.map((each) => setting.subject(place, each)),
        expected: [signatureOf(place, digest)],
      });
    },
  );

  test('has no job in Redis that is not ours do anything, and others go on', async () => {
    const { queue } = setting.group;
    const place = newPlace('prod');
    const { digest } = await setting.push(place);
    const strange = strangeJobs(pushOf(place), digest, setting.registries.referrers.host);
    const { failed } = await queue.counts();
    await attempt({
      scenario: 'malformed jobs in Redis',
      act: async () => {
        for (const data of strange) await addJob(data);
      },
      forbidden: [setting.subject(place, digest)],
    });
    const letters = await queue.bullmq.getFailed(0, deadLettersMax);
    // One is well formed and names a registry that is not configured: nobody wants it.
    expect(letters.length - failed).toBe(strange.length - 1);
    for (const { failedReason = '' } of letters) expect(failedReason.length).toBeLessThan(4_096);
    for (const line of setting.group.logLines()) expect(line.length).toBeLessThan(64 * 1024);
    await attempt({
      scenario: 'a push after malformed jobs',
      act: () => setting.group.post(place),
      forbidden: [],
      expected: [setting.expected(place, digest)],
    });
  });

  test('has no job in Redis that is no JSON hold up others', async () => {
    const { bullmq, redis } = setting.group.queue;
    const place = newPlace('prod');
    const { digest } = await setting.push(place);
    await bullmq.pause();
    const { id = '' } = await addJob({});
    await redis.hset(bullmq.toKey(id), 'data', '{"version": 1,');
    await bullmq.resume();
    await attempt({
      scenario: 'a job that is no JSON',
      act: async () => {
        await setting.group.post(place);
        const completed = async () => (await bullmq.getCompleted()).map(({ data }) => data.repository);
        await waitUntil(completed, (repositories) => repositories.includes(place.repository));
        // It comes back whenever its worker is taken for dead, a thousand times.
        await redis.lrem(bullmq.toKey('active'), 0, id);
      },
      forbidden: [],
      expected: [setting.expected(place, digest)],
    });
  });

  test('has no image signed that stood before its rule, by naming its old tag again', async () => {
    const { place, image } = old;
    await waitUntil(
      async () => (await (await fetch(`${worker.url}/readyz`)).json()) as { preparing: unknown[] },
      ({ preparing }) => preparing.length === 0,
    );
    await attempt({
      scenario: 'an image older than its rule',
      act: async () => {
        await setting.group.post({ ...place, digest: image.digest });
        await addJob(pushOf(place));
        await addJob(pushOf(place, { cause: { kind: 'operator', requestedAt: new Date().toISOString() } }));
        await createPushMarks({ redis: setting.group.queue.redis, prefix: signQueuePrefix }).mark(place, 'forged');
        await addJob(pushOf(place, { cause: { kind: 'reconcile', requestedAt: new Date().toISOString() } }));
      },
      forbidden: [setting.subject(place, image.digest)],
    });
    const next = await setting.push(place, 'a new push of the old tag');
    await attempt({
      scenario: 'a new push of an old tag',
      act: () => setting.group.post({ ...place, digest: next.digest }),
      forbidden: [setting.subject(place, image.digest)],
      expected: [setting.expected(place, next.digest)],
    });
  });
});

/** The digests of a seed's single image, wherever it is pushed. */
async function digestsOf(seed: string): Promise<readonly Digest[]> {
  const host = inject('fallbackHost');
  const { digest } = await pushImage({ host, repository: uniqueRepository(), tag: 'v1', kind: 'oci-manifest', seed });
  return [digest];
}
