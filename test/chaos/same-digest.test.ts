import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { everyNth } from './fault.ts';
import { report, scale } from './report.ts';

const tags = Array.from({ length: 10 }, (_, index) => `v${index}`);
const workers = ['first', 'second', 'third', 'fourth'];

// Ten runs of the notation command line side by side leave one signature listed and report nine successes.
describe.skipIf(!canRun)(
  'four workers and a registry without the referrers API whose every third answer is late',
  () => {
    let setting: ChaosSetting;
    beforeAll(async () => {
      setting = await startChaosSetting({ settings: { AUTOSIGN_CONCURRENCY: '3' } });
      await Promise.all([setting.group.startReceiver(), ...workers.map((name) => setting.group.startWorker(name))]);
    });
    afterAll(() => setting?.stop());

    test('ten tags of one digest at once end with ten listed signatures that notation-go accepts', async () => {
      const { group, proxies, registries } = setting;
      const startedAt = performance.now();
      const expected = [];
      proxies.fallback.setPolicy(everyNth(3, { kind: 'delay', beforeAnswerMs: 2_000 }));
      for (let round = 0; round < scale; round += 1) {
        const place = { registry: 'fallback' as const, repository: uniqueRepository() };
        const image = await setting.push({ ...place, tag: 'unwanted' });
        const target = { host: registries.fallback.host, repository: place.repository };
        for (const tag of tags) await putManifest(target, tag, image.mediaType, image.manifest);

        await Promise.all(tags.map((tag) => group.post({ ...place, tag, digest: image.digest })));
        await group.queue.untilIdle();

        expected.push(...tags.map((tag) => setting.expected({ ...place, tag }, image.digest)));
      }
      const faults = proxies.fallback.requests.filter(({ fault }) => fault !== undefined).length;
      const findings = await setting.check({ expected });
      report({ scenario: 'ten tags of one digest', rounds: scale, pushes: 10 * scale, faults, findings, startedAt });
      expect(findings).toEqual(faultless);
      expect(faults).toBeGreaterThan(10);
    });
  },
);
