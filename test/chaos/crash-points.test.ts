import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CrashPoint, crashPoints } from '../../src/signing/crash-points.ts';
import { type ChaosSetting, canRun, type RegistryName, registryNames, startChaosSetting } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { dieAtPoints } from './die-at-points.ts';
import { report, scale } from './report.ts';

// A victim takes one job at a time, so that the two jobs of an image meet in two processes.
describe.skipIf(!canRun).each(registryNames)(
  'a worker dies at each step, a rival on the same image, registry %s',
  (registry) => {
    let setting: ChaosSetting;
    beforeAll(async () => {
      setting = await startChaosSetting({ settings: { AUTOSIGN_CONCURRENCY: '1' } });
      await setting.group.startWorker('rival', { env: { AUTOSIGN_CONCURRENCY: '16' } });
    });
    afterAll(() => setting?.stop());

    test('every image ends with one listed signature that notation-go accepts', async () => {
      const startedAt = performance.now();
      const points = pointsOf(registry);
      const { expected, ends } = await dieAtPoints(points, { setting, registry });

      const findings = await setting.check({ expected });
      const scenario = `killed at each crash point (${registry})`;
      report({ scenario, rounds: points.length, pushes: expected.length, faults: ends.length, findings, startedAt });
      expect(findings).toEqual(faultless);
      expect(ends).toEqual(points.map(() => 'SIGKILL'));
      expect((await setting.group.queue.counts()).failed).toBe(0);
    });
  },
);

/** In the long form every point, again and again; in the short one the registries share the points. */
function pointsOf(registry: RegistryName): readonly CrashPoint[] {
  if (scale > 1) return Array.from({ length: scale }, () => crashPoints).flat();
  return crashPoints.filter((_, index) => index % 2 === (registry === 'fallback' ? 0 : 1));
}
