import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { type Findings, faultless } from './checker.ts';
import { startStream } from './push-stream.ts';
import { report, scale } from './report.ts';

const rounds = Math.ceil(scale / 2);
// Long enough for every timeout of a connection to pass; the short form spends less on it.
const outageMs = scale > 1 ? 20_000 : 6_000;
// The stream before and after each fault.
const aroundMs = scale > 1 ? 1_500 : 1_000;

describe.skipIf(!canRun)('Redis fails under twenty pushes a second, existing: sign', () => {
  let setting: ChaosSetting;
  let redisDirectory: string;
  beforeAll(async () => {
    redisDirectory = await mkdtemp(join(tmpdir(), 'autosign-chaos-redis-'));
    setting = await startChaosSetting({ redisDirectory });
    // Redis is away while they start.
    setting.redisProxy.setMode('refuse');
  });
  afterAll(async () => {
    await setting?.stop();
    await rm(redisDirectory, { recursive: true, force: true });
  });

  /** Brings the fault over the service in the middle of a stream, and what is left over to one reconcile. */
  async function underStream(scenario: string, fault: () => Promise<void>): Promise<Findings> {
    const { group } = setting;
    const startedAt = performance.now();
    const expected = [];
    for (let round = 0; round < rounds; round += 1) {
      const stream = startStream(setting);
      await sleep(aroundMs);
      await fault();
      await sleep(aroundMs);
      expected.push(...(await stream.end()));
    }
    await group.run(['reconcile', '--wait']);
    await group.queue.untilIdle();
    const findings = await setting.check({ expected });
    report({ scenario, rounds, pushes: expected.length, faults: rounds, findings, startedAt });
    return findings;
  }

  test('down at the start: pushes are answered 503, and all is signed after one reconcile', async () => {
    const { group, redisProxy } = setting;
    const startedAt = performance.now();
    await Promise.all([group.startReceiver(), group.startWorker('first'), group.startWorker('second')]);
    const place: Tagged = { registry: 'fallback', repository: uniqueRepository('early'), tag: 'v1' };
    const { digest } = await setting.push(place);
    expect(await group.post({ ...place, digest })).toBe(503);

    redisProxy.setMode('pass');
    await group.run(['reconcile', '--wait']);
    await group.queue.untilIdle();

    const findings = await setting.check({ expected: [setting.expected(place, digest)] });
    report({ scenario: 'Redis down at start', rounds: 1, pushes: 1, faults: 1, findings, startedAt });
    expect(findings).toEqual(faultless);
  });

  test('restarted from its append-only file: nothing is lost or double', async () => {
    expect(await underStream('Redis restarted with AOF', () => setting.restartRedis())).toEqual(faultless);
  });

  test('unreachable for a while: nothing is lost or double', async () => {
    const findings = await underStream('Redis unreachable', async () => {
      setting.redisProxy.setMode('freeze');
      await sleep(outageMs);
      setting.redisProxy.setMode('pass');
    });
    expect(findings).toEqual(faultless);
  });

  test('emptied: nothing is lost, and a signature is at most doubled', async () => {
    const { double, ...others } = await underStream('Redis emptied by FLUSHALL', async () => {
      await setting.group.queue.redis.flushall();
    });
    expect(others).toEqual({ lost: [], invalid: [], foreign: [] });
    const intents = double.map((line) => line.slice(0, line.lastIndexOf(': ')));
    expect(new Set(intents).size).toBe(double.length);
  });
});
