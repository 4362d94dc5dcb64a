import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChaosSetting, canRun, type RegistryName, registryNames, startChaosSetting } from './chaos-setting.ts';
import { type Expected, faultless } from './checker.ts';
import type { FaultPolicy } from './fault.ts';
import { startHttpProxy } from './http-proxy.ts';
import { report, scale } from './report.ts';
import { sacrifice } from './sacrifice.ts';

const victimsAtOnce = 4;
// Beyond the last request that a job sends nobody dies any more, and a few images tell that.
const imagesMax = 12;
// More requests than a job can need; the scenario ends well before.
const requestsMax = 40;

type Phase = 'before' | 'answered';
interface Moment {
  readonly n: number;
  readonly phase: Phase;
}

describe.skipIf(!canRun).each(registryNames)(
  'a worker dies at each of its requests, a rival on the same image, registry %s',
  (registry) => {
    let setting: ChaosSetting;
    beforeAll(async () => {
      setting = await startChaosSetting({ settings: { AUTOSIGN_CONCURRENCY: '1' } });
      await setting.group.startWorker('rival', { env: { AUTOSIGN_CONCURRENCY: '16' } });
    });
    afterAll(() => setting?.stop());

    test('every image ends with one listed signature that notation-go accepts', async () => {
      const startedAt = performance.now();
      const expected: Expected[] = [];
      const kills: Moment[] = [];
      // In the short form one registry takes the odd requests, the other one the even ones.
      const start = scale > 1 || registry === 'fallback' ? 1 : 2;
      for (let first = start; first < requestsMax; ) {
        const moments = momentsFrom(first);
        const round = await killAt(setting, registry, moments);
        expected.push(...round.expected);
        kills.push(...round.kills);
        if (round.kills.length === 0) break;
        first = Math.max(...moments.map(({ n }) => n)) + (scale > 1 ? 1 : 2);
      }
      await setting.group.queue.untilIdle();

      const findings = await setting.check({ expected });
      const scenario = `killed at each request (${registry})`;
      report({ scenario, rounds: kills.length, pushes: expected.length, faults: kills.length, findings, startedAt });
      expect(findings).toEqual(faultless);
      // A signature needs the tag, the list of referrers, two blobs, the manifest and the list again at the least.
      expect(Math.max(...kills.map(({ n }) => n))).toBeGreaterThanOrEqual(6);
      expect((await setting.group.queue.counts()).failed).toBe(0);
    });
  },
);

/** In the long form both phases of each request; in the short one the phases take turns, at every other request. */
function momentsFrom(first: number): readonly Moment[] {
  const numbers = (count: number, step: number) => Array.from({ length: count }, (_, index) => first + index * step);
  if (scale > 1) {
    return numbers(victimsAtOnce / 2, 1).flatMap((n) => [
      { n, phase: 'before' } as const,
      { n, phase: 'answered' } as const,
    ]);
  }
  return numbers(victimsAtOnce, 2).map((n, index) => ({ n, phase: index % 2 === 0 ? 'before' : 'answered' }));
}

async function killAt(setting: ChaosSetting, registry: RegistryName, moments: readonly Moment[]) {
  const victims = await Promise.all(moments.map((moment) => startVictim(setting, registry, moment)));
  const repositories = new Set<string>();
  for (const { arm } of victims) arm(repositories);
  const expected = await sacrifice({
    setting,
    registry,
    victims: victims.map(({ worker }) => worker),
    onImage: (repository) => repositories.add(repository),
    imagesMax,
  });
  await Promise.all(victims.map(({ worker }) => worker.kill()));
  await Promise.all(victims.map(({ proxy }) => proxy.stop()));
  return { expected, kills: moments.filter((_, index) => victims[index]?.hasDied()) };
}

async function startVictim(setting: ChaosSetting, registry: RegistryName, { n, phase }: Moment) {
  const proxy = await startHttpProxy(setting.registries[registry].host);
  const hosts = { [registry]: proxy.host };
  const worker = await setting.group.startWorker(`victim-${n}-${phase}`, { hosts });
  let died = false;
  const die = async () => {
    died = true;
    await worker.kill();
  };
  const arm = (repositories: ReadonlySet<string>) => proxy.setPolicy(killPolicy(die, repositories, n, phase));
  return { proxy, worker, arm, hasDied: () => died };
}

/** Kills the worker at the n-th request about one image, before the registry hears of it or before the worker hears back. */
function killPolicy(die: () => Promise<void>, repositories: ReadonlySet<string>, n: number, phase: Phase): FaultPolicy {
  const seen = new Map<string, number>();
  return async ({ path }) => {
    const repository = /^\/v2\/(.+?)\/(manifests|blobs|referrers|tags)\//.exec(path)?.[1] ?? '';
    if (!repositories.has(repository)) return undefined;
    seen.set(repository, (seen.get(repository) ?? 0) + 1);
    if (seen.get(repository) !== n) return undefined;
    if (phase === 'answered') return { kind: 'answered', call: die };
    await die();
    return { kind: 'cut', at: 'request' };
  };
}
