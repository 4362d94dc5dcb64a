import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { uniqueRepository } from '../support/names.ts';
import { type ChaosSetting, canRun, registryNames, startChaosSetting, type Tagged } from './chaos-setting.ts';
import { faultless } from './checker.ts';
import { report, scale } from './report.ts';
import { untilRequested } from './until-requested.ts';

const images = 20 * scale;

describe.skipIf(!canRun)('SIGTERM under load', () => {
  let setting: ChaosSetting;
  beforeAll(async () => {
    setting = await startChaosSetting({ settings: { AUTOSIGN_CONCURRENCY: '8', AUTOSIGN_SHUTDOWN_TIMEOUT: '30s' } });
  });
  afterEach(async () => {
    for (const registry of registryNames) setting.proxies[registry].setPolicy(undefined);
    await setting.group.stopServices();
  });
  afterAll(() => setting?.stop());

  async function pushImages(count: number) {
    const places = Array.from(
      { length: count },
      (_, index): Tagged => ({
        registry: index % 2 === 0 ? 'fallback' : 'referrers',
        repository: uniqueRepository('stop'),
        tag: 'v1',
      }),
    );
    const pushed = await Promise.all(places.map((place) => setting.push(place)));
    return places.map((place, index) => ({ place, expected: setting.expected(place, pushed[index]?.digest ?? '') }));
  }

  function slowRegistries(delayMs: number): void {
    for (const registry of registryNames)
      setting.proxies[registry].setPolicy(() => ({ kind: 'delay', beforeAnswerMs: delayMs }));
  }

  test('a worker ends what runs, leaves no job behind in the middle, and the next worker does the rest', async () => {
    const { group } = setting;
    const startedAt = performance.now();
    const pushed = await pushImages(images);
    slowRegistries(100);
    const worker = await group.startWorker('leaving');
    for (const { place } of pushed) await group.queue.add('push', place);
    await untilRequested(setting.proxies.fallback, 'PUT');

    expect(await worker.stop(25_000)).toBe(0);

    const { active, completed, failed } = await group.queue.counts();
    expect({ active, failed }).toEqual({ active: 0, failed: 0 });
    // Every signature that has begun is whole: as many are listed as jobs have ended.
    const halfway = await setting.check({ permitted: pushed.map(({ expected }) => expected) });
    expect(halfway).toEqual(faultless);
    const { lost } = await setting.check({ expected: pushed.map(({ expected }) => expected) });
    expect(pushed.length - lost.length).toBe(completed);
    expect(lost.length).toBeGreaterThan(0);

    setting.proxies.fallback.setPolicy(undefined);
    setting.proxies.referrers.setPolicy(undefined);
    const successor = await group.startWorker('successor');
    await group.queue.untilIdle();
    await successor.stop();
    const findings = await setting.check({ expected: pushed.map(({ expected }) => expected) });
    report({ scenario: 'SIGTERM under load', rounds: 1, pushes: images, faults: 1, findings, startedAt });
    expect(findings).toEqual(faultless);
  });

  test('a second SIGTERM ends a worker at once, and its jobs are taken over', async () => {
    const { group, proxies } = setting;
    const pushed = await pushImages(4);
    const worker = await group.startWorker('impatient');
    proxies.fallback.forget();
    slowRegistries(5_000);
    for (const { place } of pushed) await group.queue.add('push', place);
    await untilRequested(proxies.fallback, 'GET');
    worker.process.kill('SIGTERM');
    await worker.process.waitForLine((line) => line.includes('"stopping"'), 5_000);
    const askedAt = performance.now();
    worker.process.kill('SIGTERM');

    expect((await worker.process.exited).code).toBe(1);

    expect(performance.now() - askedAt).toBeLessThan(1_000);
    for (const registry of registryNames) proxies[registry].setPolicy(undefined);
    const successor = await group.startWorker('second-successor');
    await group.queue.untilIdle();
    await successor.stop();
    expect(await setting.check({ expected: pushed.map(({ expected }) => expected) })).toEqual(faultless);
  });

  test('a worker whose jobs do not end stops at its deadline, and its jobs are taken over', async () => {
    const { group, proxies } = setting;
    const pushed = await pushImages(4);
    const worker = await group.startWorker('late', { env: { AUTOSIGN_SHUTDOWN_TIMEOUT: '2s' } });
    proxies.fallback.forget();
    slowRegistries(20_000);
    for (const { place } of pushed) await group.queue.add('push', place);
    await untilRequested(proxies.fallback, 'GET');
    const askedAt = performance.now();
    const code = await worker.stop(20_000);

    // A second for closing connections, another for a machine with much to do.
    expect(performance.now() - askedAt).toBeLessThan(4_000);
    expect(code).not.toBeNull();
    for (const registry of registryNames) proxies[registry].setPolicy(undefined);
    const successor = await group.startWorker('third-successor');
    await group.queue.untilIdle();
    await successor.stop();
    expect(await setting.check({ expected: pushed.map(({ expected }) => expected) })).toEqual(faultless);
  });

  test('a receiver answers what it has taken, and every 202 is a job', async () => {
    const { group } = setting;
    const receiver = await group.startReceiver();
    const places = Array.from(
      { length: 200 },
      (): Tagged => ({
        registry: 'fallback',
        repository: uniqueRepository('answered'),
        tag: 'v1',
      }),
    );
    const answers = places.map((place) => group.post(place));
    await Promise.race(answers);
    const ended = receiver.stop();
    const statuses = await Promise.all(answers);

    expect(await ended).toBe(0);
    const queued = new Set((await group.queue.bullmq.getJobs(['waiting'])).map((job) => job.data.repository));
    const confirmed = places.filter((_, index) => statuses[index] === 202);
    expect(confirmed.length).toBeGreaterThan(0);
    expect(confirmed.filter(({ repository }) => !queued.has(repository))).toEqual([]);
    // What was not confirmed was refused or cut, never answered otherwise.
    expect(new Set(statuses.filter((status) => status !== 202 && status !== 503 && status !== undefined))).toEqual(
      new Set(),
    );
  });
});
