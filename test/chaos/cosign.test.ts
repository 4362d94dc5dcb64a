import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { type CrashPoint, crashPoints } from '../../src/signing/crash-points.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { dieAtPoints } from './die-at-points.ts';
import { everyNth } from './fault.ts';
import { report, scale } from './report.ts';

const registry = 'fallback';
const tags = Array.from({ length: 10 }, (_, index) => `v${index}`);

// Between these the format makes a difference; the short form leaves the others to crash-points.test.ts.
const between: readonly CrashPoint[] = ['step-8-stored', 'step-9', 'step-10', 'step-10-read-back'];
const points = scale > 1 ? Array.from({ length: scale }, () => crashPoints).flat() : between;

describe.skipIf(!canRun)('signatures under the tag of cosign', () => {
  let setting: ChaosSetting;
  beforeAll(async () => {
    setting = await startChaosSetting({ format: 'cosign', settings: { AUTOSIGN_CONCURRENCY: '1' } });
    await setting.group.startWorker('rival', { env: { AUTOSIGN_CONCURRENCY: '16' } });
  });
  afterAll(() => setting?.stop());

  test('a worker dies at each step, a rival on the same image: one each, that containers/image accepts', async () => {
    const startedAt = performance.now();
    const { expected, ends } = await dieAtPoints(points, { setting, registry });

    const findings = await setting.check({ expected });
    const scenario = 'killed at each crash point (cosign)';
    report({ scenario, rounds: points.length, pushes: expected.length, faults: ends.length, findings, startedAt });
    expect(findings).toEqual(faultless);
    expect(ends).toEqual(points.map(() => 'SIGKILL'));
    expect((await setting.group.queue.counts()).failed).toBe(0);
  });

  test('ten tags of one digest at once, every third answer late, end with one layer each', async () => {
    const { group, proxies, registries } = setting;
    await group.startWorker('second rival', { env: { AUTOSIGN_CONCURRENCY: '5' } });
    const startedAt = performance.now();
    const place = { registry, repository: uniqueRepository() } as const;
    const image = await setting.push({ ...place, tag: 'unwanted' });
    const target = { host: registries.fallback.host, repository: place.repository };
    for (const tag of tags) await putManifest(target, tag, image.mediaType, image.manifest);
    const requestsBefore = proxies.fallback.requests.length;
    proxies.fallback.setPolicy(everyNth(3, { kind: 'delay', beforeAnswerMs: 300 }));

    await Promise.all(tags.map((tag) => group.queue.add('push', { ...place, tag })));
    await group.queue.untilIdle();

    const expected = tags.map((tag) => setting.expected({ ...place, tag }, image.digest));
    const faults = proxies.fallback.requests.slice(requestsBefore).filter(({ fault }) => fault !== undefined).length;
    const findings = await setting.check({ expected });
    report({ scenario: 'ten tags of one digest (cosign)', rounds: 1, pushes: 10, faults, findings, startedAt });
    expect(findings).toEqual(faultless);
    expect(faults).toBeGreaterThan(10);
  });
});
