import { waitUntil } from '../e2e/wait-until.ts';
import { type ChaosSetting, registryNames } from './chaos-setting.ts';

/** Resolved when a worker has compared each registry with the rules since the group began. */
export async function untilWalked({ group }: ChaosSetting): Promise<void> {
  const walked = (registry: string) =>
    group
      .logLines()
      .some(
        (line) => line.includes('reconcile: the registry was compared') && line.includes(`"registry":"${registry}"`),
      );
  await waitUntil(
    async () => registryNames.filter((registry) => !walked(registry)),
    (missing) => missing.length === 0,
  );
}
