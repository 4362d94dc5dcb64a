import { setTimeout as sleep } from 'node:timers/promises';
import { uniqueRepository } from '../support/names.ts';
import type { ChaosSetting, RegistryName } from './chaos-setting.ts';
import type { Expected } from './checker.ts';
import type { Service } from './service-group.ts';

export interface SacrificeOptions {
  readonly setting: ChaosSetting;
  readonly registry: RegistryName;
  /** Workers that die of what they do. */
  readonly victims: readonly Service[];
  /** Told of each image before its jobs are queued. */
  readonly onImage?: (repository: string) => void;
  /** The most images that are pushed for these victims. */
  readonly imagesMax: number;
}

const pollMs = 10;
// A job takes less than a second; what is longer waits for the lock of a worker that died, up to its lease of 30 s.
const graceMs = 3_000;

/**
 * Pushes images, each queued in both lanes so that two workers are on the same signature at once, until all victims
 * are dead or `imagesMax` is reached. Gives the signatures that must be there in the end.
 */
export async function sacrifice(options: SacrificeOptions): Promise<readonly Expected[]> {
  const { setting, registry, victims, imagesMax } = options;
  const alive = new Set(victims);
  for (const victim of victims) void victim.process.exited.then(() => alive.delete(victim));
  const expected: Expected[] = [];
  while (alive.size > 0 && expected.length < imagesMax) {
    const place = { registry, repository: uniqueRepository('victim'), tag: 'v1' };
    options.onImage?.(place.repository);
    const { digest } = await setting.push(place);
    expected.push(setting.expected(place, digest));
    await Promise.all([setting.group.queue.add('push', place), setting.group.queue.add('backfill', place)]);
    await untilTaken(setting);
  }
  // What was taken last may still be on its way to the place where its worker dies.
  if (alive.size > 0) await untilDoneOrDead(setting, alive);
  return expected;
}

async function untilTaken({ group }: ChaosSetting): Promise<void> {
  for (;;) {
    const { waiting, prioritized } = await group.queue.counts();
    if (waiting + prioritized === 0) return;
    await sleep(pollMs);
  }
}

async function untilDoneOrDead({ group }: ChaosSetting, alive: ReadonlySet<Service>): Promise<void> {
  const giveUpAt = Date.now() + graceMs;
  while (alive.size > 0 && Date.now() < giveUpAt) {
    const { waiting, prioritized, active } = await group.queue.counts();
    if (waiting + prioritized + active === 0) return;
    await sleep(pollMs);
  }
}
