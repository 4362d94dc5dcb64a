import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { waitUntil } from '../e2e/wait-until.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, registryNames, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { listSignatures } from './read-signatures.ts';
import { report, scale } from './report.ts';
import { untilWalked } from './until-walked.ts';

describe.skipIf(!canRun)('the queue loses no push', () => {
  let setting: ChaosSetting;
  beforeAll(async () => {
    setting = await startChaosSetting();
    await Promise.all([setting.group.startReceiver(), setting.group.startWorker('only')]);
    // Its walk at the start would look at what the scenarios push.
    await untilWalked(setting);
  });
  afterEach(() => {
    for (const registry of registryNames) setting.proxies[registry].setPolicy(undefined);
  });
  afterAll(() => setting?.stop());

  const somewhere = (name: string): Tagged => ({ registry: 'fallback', repository: uniqueRepository(name), tag: 'v1' });

  test.each([
    // What the first job resolved is signed, too; only a second job finds B.
    { moves: 'A, B', moved: ['b'], signed: ['a', 'b'], never: [] },
    { moves: 'A, B, A', moved: ['b', 'a'], signed: ['a'], never: ['b'] },
  ] as const)('a tag that moves $moves while the first job runs ends with what it points at signed', async (row) => {
    const { group, proxies, registries } = setting;
    const startedAt = performance.now();
    const places = Array.from({ length: 3 * scale }, () => somewhere('moved'));
    const expected = [];
    const forbidden = [];
    for (const place of places) {
      const target = { host: registries.fallback.host, repository: place.repository };
      const images = { a: await setting.push(place, 'a'), b: await setting.push({ ...place, tag: 'unwanted' }, 'b') };
      const [looked, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const path = `/v2/${place.repository}/manifests/v1`;
      // The answer to the first look is kept back, so that everything else happens while the job runs.
      let looks = 0;
      proxies.fallback.setPolicy((request) => {
        if (request.path !== path || looks++ > 0) return undefined;
        const hold = () => {
          looked.resolve();
          return held.promise;
        };
        return { kind: 'answered', call: hold };
      });
      await group.post({ ...place, digest: images.a.digest });
      await looked.promise;
      for (const moved of row.moved.map((name) => images[name])) {
        await putManifest(target, place.tag, moved.mediaType, moved.manifest);
        await group.post({ ...place, digest: moved.digest });
      }
      held.resolve();
      await group.queue.untilIdle();
      expected.push(...row.signed.map((name) => setting.expected(place, images[name].digest)));
      forbidden.push(...row.never.map((name) => setting.subject(place, images[name].digest)));
    }
    const findings = await setting.check({ expected, forbidden });
    report({
      scenario: `a tag moved ${row.moves}`,
      rounds: places.length,
      pushes: (1 + row.moved.length) * places.length,
      faults: places.length,
      findings,
      startedAt,
    });
    expect(findings).toEqual(faultless);
  });

  test('a live push of what waits in the backfill lane runs before the whole backlog', async () => {
    const { group, proxies } = setting;
    const startedAt = performance.now();
    const places = await Promise.all(
      Array.from({ length: 40 * scale }, async () => {
        const place = somewhere('backlog');
        return { place, ...(await setting.push(place)) };
      }),
    );
    const [last] = places.slice(-1);
    if (last === undefined) throw new Error('no image was pushed');
    proxies.fallback.setPolicy(() => ({ kind: 'delay', beforeAnswerMs: 50 }));
    for (const { place } of places) await group.queue.add('backfill', place);
    expect(await group.post({ ...last.place, digest: last.digest })).toBe(202);

    await waitUntil(
      () => listSignatures({ host: setting.registries.fallback.host }, last.place.repository, last.digest),
      (signatures) => signatures.length > 0,
    );
    const backlog = (await group.queue.counts()).prioritized;
    expect(backlog).toBeGreaterThan(0);
    proxies.fallback.setPolicy(undefined);
    await group.queue.untilIdle();
    const findings = await setting.check({
      expected: places.map(({ place, digest }) => setting.expected(place, digest)),
    });
    report({
      scenario: 'a live push behind a backlog',
      rounds: 1,
      pushes: places.length,
      faults: 1,
      findings,
      startedAt,
    });
    expect(findings).toEqual(faultless);
  });

  test('a live push of what sleeps in backoff runs at once', async () => {
    const { group, proxies } = setting;
    const startedAt = performance.now();
    const place = somewhere('asleep');
    const { digest } = await setting.push(place);
    // Wrong for this image alone, so that the registry is not paused: its list of referrers cannot be read.
    const unreadable = {
      kind: 'answer',
      status: 200,
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: '{"manifests":[',
    } as const;
    proxies.fallback.setPolicy(({ path }) =>
      path.includes(`/${place.repository}/manifests/sha256-`) ? unreadable : undefined,
    );
    await group.post({ ...place, digest });
    // Each back-off is longer than the one before; this one is longer than the push below may take.
    const sleeping = await waitUntil(
      async () => (await group.queue.bullmq.getDelayed()).find((job) => job.data.repository === place.repository),
      (job) => job !== undefined && job.delay > 3_000,
      30_000,
    );
    proxies.fallback.setPolicy(undefined);
    const pushedAt = performance.now();
    expect(await group.post({ ...place, digest })).toBe(202);
    await group.queue.untilIdle();

    expect(sleeping?.delay).toBeGreaterThan(3_000);
    expect(performance.now() - pushedAt).toBeLessThan(2_500);
    const findings = await setting.check({ expected: [setting.expected(place, digest)] });
    report({ scenario: 'a live push of what sleeps', rounds: 1, pushes: 2, faults: 3, findings, startedAt });
    expect(findings).toEqual(faultless);
  });

  test('a live push of what was signed, and whose signature somebody deleted, is signed again', async () => {
    const { group, registries } = setting;
    const startedAt = performance.now();
    const places = await Promise.all(
      Array.from({ length: 5 * scale }, async () => {
        const place = somewhere('deleted');
        return { place, ...(await setting.push(place)) };
      }),
    );
    for (const { place, digest } of places) await group.post({ ...place, digest });
    await group.queue.untilIdle();
    const expected = places.map(({ place, digest }) => setting.expected(place, digest));
    expect(await setting.check({ expected })).toEqual(faultless);
    const { host } = registries.fallback;
    for (const { place, digest } of places) await deleteSignatures(host, place.repository, digest);
    expect((await setting.check({ expected })).lost).toHaveLength(places.length);

    for (const { place, digest } of places) expect(await group.post({ ...place, digest })).toBe(202);
    await group.queue.untilIdle();

    const findings = await setting.check({ expected });
    report({
      scenario: 'a deleted signature',
      rounds: places.length,
      pushes: 2 * places.length,
      faults: places.length,
      findings,
      startedAt,
    });
    expect(findings).toEqual(faultless);
  });

  test('the same event a thousand times leaves one signature', async () => {
    const { group } = setting;
    const startedAt = performance.now();
    const place = somewhere('repeated');
    const { digest } = await setting.push(place);
    const statuses = new Set<number | undefined>();
    const times = 1_000 * scale;
    let left = times;
    const poster = async () => {
      while (left-- > 0) statuses.add(await group.post({ ...place, digest }));
    };
    await Promise.all(Array.from({ length: 32 }, poster));
    await group.queue.untilIdle();

    expect(statuses).toEqual(new Set([202]));
    const findings = await setting.check({ expected: [setting.expected(place, digest)] });
    report({ scenario: 'the same event again and again', rounds: 1, pushes: times, faults: 0, findings, startedAt });
    expect(findings).toEqual(faultless);
  });
});

/** Deletes each signature of an image, and the fallback index that lists them. */
async function deleteSignatures(host: string, repository: string, subject: string): Promise<void> {
  const manifests = `http://${host}/v2/${repository}/manifests`;
  const headers = { accept: 'application/vnd.oci.image.index.v1+json' };
  const index = await fetch(`${manifests}/${subject.replace(':', '-')}`, { headers });
  const indexDigest = index.headers.get('docker-content-digest');
  const { manifests: listed } = (await index.json()) as { readonly manifests: readonly { readonly digest: string }[] };
  for (const digest of [...listed.map((entry) => entry.digest), indexDigest]) {
    const answer = await fetch(`${manifests}/${digest}`, { method: 'DELETE' });
    if (answer.status !== 202) throw new Error(`${host} does not delete ${digest}: ${answer.status}`);
  }
}
