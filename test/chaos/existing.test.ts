import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitUntil } from '../e2e/wait-until.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { report, scale } from './report.ts';
import { untilRequested } from './until-requested.ts';

const standing = 30 * scale;

describe.skipIf(!canRun)('existing: ignore, when the first walk and the loss of Redis come in between', () => {
  let setting: ChaosSetting;
  beforeAll(async () => {
    setting = await startChaosSetting({ rule: { existing: 'ignore', registries: ['fallback'] } });
    await setting.group.startReceiver();
  });
  afterAll(() => setting?.stop());

  async function pushed(name: string, count: number) {
    return await Promise.all(
      Array.from({ length: count }, async () => {
        const place: Tagged = { registry: 'fallback', repository: uniqueRepository(name), tag: 'v1' };
        return { place, digest: (await setting.push(place)).digest };
      }),
    );
  }

  /** What the worker names as older than its rule and not signed, `repository:tag`. */
  async function reported(): Promise<readonly string[]> {
    const file = join(setting.group.directory, 'worker', 'existing-chaos-images-fallback.jsonl');
    const text = await readFile(file, 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { readonly image: string }).image);
  }

  test('a push during the first walk is signed, and what stood before is not', async () => {
    const { group, proxies } = setting;
    const startedAt = performance.now();
    const old = await pushed('old', standing);
    proxies.fallback.setPolicy(() => ({ kind: 'delay', beforeAnswerMs: 100 }));
    await group.startWorker('worker');
    await untilRequested(proxies.fallback, 'HEAD');
    // New repositories, which the walk does not come to, and new tags of the last ones, which it does.
    const lastOnes = old.toSorted((a, b) => (a.place.repository < b.place.repository ? 1 : -1)).slice(0, 10);
    const retagged = lastOnes.map(async ({ place }) => {
      const fresh = { ...place, tag: 'v2' };
      return { place: fresh, digest: (await setting.push(fresh)).digest };
    });
    const fresh = [...(await pushed('fresh', 10)), ...(await Promise.all(retagged))];
    for (const { place, digest } of fresh) expect(await group.post({ ...place, digest })).toBe(202);
    proxies.fallback.setPolicy(undefined);
    await group.queue.untilIdle();

    const findings = await setting.check({
      expected: fresh.map(({ place, digest }) => setting.expected(place, digest)),
      forbidden: old.map(({ place, digest }) => setting.subject(place, digest)),
    });
    report({
      scenario: 'pushes during the first walk',
      rounds: 1,
      pushes: fresh.length,
      faults: 1,
      findings,
      startedAt,
    });
    expect(findings).toEqual(faultless);
    const names = await waitUntil(reported, (images) => images.length >= old.length);
    expect(new Set(names)).toEqual(new Set(old.map(({ place }) => `${place.repository}:${place.tag}`)));
  });

  test('after FLUSHALL every image that is not signed is reported by name, and none is signed unasked', async () => {
    const { group } = setting;
    const startedAt = performance.now();
    const before = await reported();
    const unannounced = await pushed('unannounced', 10);

    await group.queue.redis.flushall();
    const names = await waitUntil(reported, (images) => images.length >= before.length + unannounced.length);
    await group.run(['reconcile', '--wait']);
    await group.queue.untilIdle();

    const findings = await setting.check({
      forbidden: unannounced.map(({ place, digest }) => setting.subject(place, digest)),
    });
    report({ scenario: 'FLUSHALL with existing: ignore', rounds: 1, pushes: 10, faults: 1, findings, startedAt });
    expect(findings).toEqual(faultless);
    const own = unannounced.map(({ place }) => `${place.repository}:${place.tag}`);
    expect(new Set(names)).toEqual(new Set([...before, ...own]));
  });
});
