import type { CrashPoint } from '../../src/signing/crash-points.ts';
import type { ChaosSetting, RegistryName } from './chaos-setting.ts';
import type { Expected } from './checker.ts';
import { sacrifice } from './sacrifice.ts';

const victimsAtOnce = 4;
// A victim whose rival is faster at every image never comes to its point; of 100 images it wins some.
const imagesMax = 100;

export interface DieAtPointsOptions {
  readonly setting: ChaosSetting;
  readonly registry: RegistryName;
}

/**
 * Lets one worker after another die at these points, a few at once, beside the rivals that run already, and waits until
 * what they left is done.
 * @returns the signatures that must be there, and how each worker ended
 */
export async function dieAtPoints(points: readonly CrashPoint[], { setting, registry }: DieAtPointsOptions) {
  const expected: Expected[] = [];
  const ends: (string | null)[] = [];
  for (let first = 0; first < points.length; first += victimsAtOnce) {
    const victims = await Promise.all(
      points.slice(first, first + victimsAtOnce).map((point, index) =>
        setting.group.startWorker(`victim-${first + index}-${point}`, {
          env: { AUTOSIGN_TEST_CRASH_POINT: point },
        }),
      ),
    );
    expected.push(...(await sacrifice({ setting, registry, victims, imagesMax })));
    await Promise.all(victims.map((victim) => victim.stop()));
    for (const { process } of victims) ends.push((await process.exited).signal);
  }
  await setting.group.queue.untilIdle();
  return { expected, ends };
}
