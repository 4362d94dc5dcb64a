import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createReconcileSchedule } from '../../src/coordination/reconcile-schedule.ts';
import { signQueuePrefix } from '../../src/queue/job-options.ts';
import { type CrashPoint, crashPoints } from '../../src/signing/crash-points.ts';
import { waitUntil } from '../e2e/wait-until.ts';
import { type ChaosSetting, canRun, registryNames, startChaosSetting } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { allAtOnce, type CloudFault, cloudFaults, heal, walkThrottled } from './cloud-faults.ts';
import { type EmulatedAcr, startEmulatedAcr } from './emulated-acr.ts';
import { startStream } from './push-stream.ts';
import { report, scale } from './report.ts';

const pushIntervalMs = 250;
const deadLetter = /job ends in the dead letters/;
const hurryMs = 500;
const rounds = Math.ceil(scale / 2);
const killsAtRandom = 2 * rounds;

/** In the long form every point, again and again; in the short one every other. */
const points: readonly CrashPoint[] =
  scale > 1
    ? Array.from({ length: Math.ceil(scale / 3) }, () => crashPoints).flat()
    : crashPoints.filter((_, index) => index % 2 === 1);

describe.skipIf(!canRun)('registries of ACR and a key in KMS, a cloud in trouble, and workers that are killed', () => {
  let acr: EmulatedAcr;
  let setting: ChaosSetting;
  beforeAll(async () => {
    acr = await startEmulatedAcr();
    setting = await startChaosSetting(acr.options);
  });
  afterAll(async () => {
    await setting?.stop();
    await acr?.stop();
  });

  test('after one reconcile every image has one listed signature that notation-go accepts', async () => {
    const { group } = setting;
    const startedAt = performance.now();
    await Promise.all([group.startReceiver(), group.startWorker('steady')]);
    const stream = startStream(setting, pushIntervalMs);
    const troubled = Promise.all([takeTurns(), dieAtPoints(), dieAtRandom()]);
    const expected = await troubled.then(stream.end, stream.end);
    const [faults, ends] = await troubled;
    await untilIdleSoon();
    await group.run(['reconcile', '--wait']);
    await group.queue.untilIdle();

    const findings = await setting.check({ expected });
    const kills = points.length + killsAtRandom;
    const row = { rounds: rounds * (cloudFaults.length + 2), pushes: expected.length, faults: faults + kills };
    report({ scenario: 'ACR, STS and KMS in trouble, workers killed', ...row, findings, startedAt });
    expect(findings).toEqual(faultless);
    expect(ends).toEqual(points.map(() => 'SIGKILL'));
    expect(acr.registries.flatMap(({ storage }) => storage.leaks)).toEqual([]);
  });

  /** Every fault in turn, a walk that the OpenAPI throttles, and then all at once; how often they struck. */
  async function takeTurns(): Promise<number> {
    const { redis } = setting.group.queue;
    const schedule = createReconcileSchedule({ redis, prefix: signQueuePrefix });
    let struck = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const fault of cloudFaults) struck += await goThrough(fault);
      for (const registry of registryNames) await schedule.want(registry, await schedule.now());
      for (const fault of [walkThrottled, allAtOnce]) struck += await goThrough(fault);
    }
    return struck;
  }

  /** Lets a fault strike until it has struck often enough and a worker has told it, then until a signature is pushed. */
  async function goThrough({ name, strike, least, told }: CloudFault): Promise<number> {
    const [toldBefore, deadBefore] = [linesWith(told), linesWith(deadLetter)];
    const struck = strike(acr);
    const look = async () => ({ name, struck: struck(), told: linesWith(told) - toldBefore });
    await waitUntil(look, (now) => now.struck >= least && (told === undefined || now.told > 0));
    const count = Math.max(1, struck());
    heal(acr);
    const before = signaturesPushed();
    const pushed = async () => ({ name, pushed: signaturesPushed() - before });
    await waitUntil(pushed, (now) => now.pushed > 0);
    // A single request may meet such a fault twice and end its job; more often it must not.
    if (told === undefined)
      expect({ name, dead: linesWith(deadLetter) - deadBefore }).toSatisfy(({ dead }) => dead < count);
    return count;
  }

  function linesWith(text: RegExp | undefined): number {
    return text === undefined ? 0 : setting.group.logLines().filter((line) => text.test(line)).length;
  }

  function signaturesPushed(): number {
    const calls = acr.registries.flatMap((registry) => registry.calls);
    return calls.filter(({ method, path, status }) => method === 'PUT' && status === 201 && path.includes('/sha256:'))
      .length;
  }

  /** One worker after the other dies where it is told to; how each ended. */
  async function dieAtPoints(): Promise<readonly (string | null)[]> {
    const ends: (string | null)[] = [];
    for (const [index, point] of points.entries()) {
      const env = { AUTOSIGN_TEST_CRASH_POINT: point };
      const victim = await setting.group.startWorker(`victim-${index}-${point}`, { env });
      const { signal } = await victim.process.exited;
      ends.push(signal);
      // The test has failed, and its services are being stopped.
      if (signal !== 'SIGKILL') break;
    }
    return ends;
  }

  /** Without waiting out the sleep of jobs that have met many faults. */
  async function untilIdleSoon(): Promise<void> {
    const { bullmq, untilIdle } = setting.group.queue;
    const hurry = setInterval(() => void bullmq.promoteJobs(), hurryMs);
    await untilIdle().finally(() => clearInterval(hurry));
  }

  async function dieAtRandom(): Promise<void> {
    for (let kill = 0; kill < killsAtRandom; kill += 1) {
      const victim = await setting.group.startWorker(`random-${kill}`);
      await sleep(1_000 + Math.random() * 2_000);
      await victim.kill();
    }
  }
});
