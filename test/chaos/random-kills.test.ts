import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChaosSetting, canRun, startChaosSetting } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { startStream } from './push-stream.ts';
import { report, scale } from './report.ts';
import type { Service } from './service-group.ts';

const workers = ['first', 'second', 'third', 'fourth'];
const workerKills = 10 * scale;
const receiverKills = 4 * scale;

describe.skipIf(!canRun)('workers and receivers are killed at random under twenty pushes a second', () => {
  let setting: ChaosSetting;
  beforeAll(async () => {
    setting = await startChaosSetting();
  });
  afterAll(() => setting?.stop());

  test('after one reconcile every image has one listed signature that notation-go accepts', async () => {
    const { group } = setting;
    const startedAt = performance.now();
    const running = await Promise.all(workers.map((name) => group.startWorker(name)));
    let receiver = await group.startReceiver();
    const stream = startStream(setting);
    let killsLeft = workerKills;
    // Each place loses its worker again and again, so that at times several are dead at once.
    const killWorker = async (_: Service, index: number) => {
      while (killsLeft-- > 0) {
        running[index] = await killAndReplace(running[index], () => group.startWorker(workers[index] ?? ''));
      }
    };
    const killReceiver = async () => {
      for (let kill = 0; kill < receiverKills; kill += 1) {
        receiver = await killAndReplace(receiver, () => group.startReceiver());
        await sleep(Math.random() * 1_000);
      }
    };
    await Promise.all([...running.map(killWorker), killReceiver()]);
    const expected = await stream.end();
    await group.queue.untilIdle();
    // What no event announced, because the receiver was dead just then, is found by the walk.
    await group.run(['reconcile', '--wait']);
    await group.queue.untilIdle();

    const findings = await setting.check({ expected });
    const kills = workerKills + receiverKills;
    report({ scenario: 'random kills', rounds: kills, pushes: expected.length, faults: kills, findings, startedAt });
    expect(findings).toEqual(faultless);
    expect((await group.queue.counts()).failed).toBe(0);
  });
});

async function killAndReplace(service: Service | undefined, start: () => Promise<Service>): Promise<Service> {
  await sleep(Math.random() * 500);
  await service?.kill();
  return await start();
}
