import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, inject, test } from 'vitest';
import { startAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { freePort } from '../../infra/processes/free-port.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { signQueuePrefix } from '../../src/queue/job-options.ts';
import { startGate } from './gate.ts';
import { type AtEnd, createLab, type Lab, type Service, signaturesOf, startTimeoutMs, untilSigned } from './lab.ts';
import { processesWithin } from './process-table.ts';
import { waitUntil } from './wait-until.ts';

const host = inject('fallbackHost');
const concurrency = 2;
const images = 5;
// A worker begins with a walk over its registries, which waits at the gate with its first request.
const ofTheWalk = 1;

// A job whose worker died is taken over after its lock is over: that takes up to 15 s.
const limits = { timeout: 120_000 };

describe.concurrent('autosign work', limits, () => {
  test('ends running jobs on SIGTERM, takes no new ones, and leaves the others to the next worker', async ({
    onTestFinished,
  }) => {
    const { gate, lab, redisUrl } = await gatedLab(onTestFinished);
    const pushed = await Promise.all(Array.from({ length: images }, () => push(lab)));
    const signedImages = async () => {
      const counts = await Promise.all(pushed.map(({ repository, image }) => signaturesOf(host, repository, image)));
      return counts.filter((count) => count === 1).length;
    };
    const serve = await lab.start('serve');
    for (const { repository } of pushed) expect((await serve.post({ repository })).status).toBe(202);
    const worker = await lab.start('work', { AUTOSIGN_CONCURRENCY: String(concurrency) });
    await gate.untilArrived(concurrency + ofTheWalk);

    await stopping(worker);
    gate.open();

    expect(await worker.process.exited).toEqual({ code: 0, signal: null });
    expect(await signedImages()).toBe(concurrency);
    expect(await jobsIn(redisUrl, onTestFinished)).toEqual({ waiting: images - concurrency, active: 0 });
    await lab.start('work');
    await waitUntil(signedImages, (count) => count === images);
  });

  test('ends at once with 1 on a second signal, and the next worker takes its job over', async ({ onTestFinished }) => {
    const { gate, lab } = await gatedLab(onTestFinished);
    const { repository, image } = await push(lab);
    const serve = await lab.start('serve');
    const worker = await lab.start('work');
    expect((await serve.post({ repository })).status).toBe(202);
    await gate.untilArrived(1 + ofTheWalk);

    await stopping(worker);
    worker.process.kill('SIGTERM');

    expect(await worker.process.exited).toEqual({ code: 1, signal: null });
    gate.open();
    await lab.start('work');
    await untilSigned(host, repository, image);
  });
});

describe.concurrent('without Redis', () => {
  test.for(['serve', 'work'] as const)('%s ends on SIGTERM all the same', async (command, { onTestFinished }) => {
    const redisUrl = `redis://127.0.0.1:${await freePort()}`;
    const lab = await createLab({ registries: { lab: host }, redisUrl }, onTestFinished);
    const service = await lab.start(command, { AUTOSIGN_SHUTDOWN_TIMEOUT: '5s' });

    await stopping(service);

    expect(await service.process.exited).toEqual({ code: 0, signal: null });
  });
});

describe.concurrent('autosign up with a Redis of its own', limits, () => {
  test('signs, stops without a trace, and has its queue again after a restart', async ({ onTestFinished }) => {
    const gate = await startGate(host);
    onTestFinished(gate.close);
    const lab = await createLab({ registries: { lab: host, slow: gate.host } }, onTestFinished);
    const TMPDIR = temporaryDirectoryOf(lab);
    const [first, second] = await Promise.all([push(lab), push(lab, 'slow')]);
    const up = await lab.start('up', { TMPDIR, AUTOSIGN_SHUTDOWN_TIMEOUT: '2s' });
    expect((await up.post({ repository: first.repository })).status).toBe(202);
    await untilSigned(host, first.repository, first.image);
    expect((await up.post({ registry: 'slow', repository: second.repository })).status).toBe(202);
    await gate.untilArrived(1 + ofTheWalk);
    expect(processesWithin(lab.directory).join('\n')).toContain('redis-server');

    // Longer than the time it has: the job is left behind.
    expect((await up.process.stop()).signal).toBeNull();
    await untilNothingIsLeft(lab);

    gate.open();
    await lab.start('up', { TMPDIR });
    await untilSigned(host, second.repository, second.image);
  });

  test('takes its Redis along when a second signal ends it', async ({ onTestFinished }) => {
    const gate = await startGate(host);
    onTestFinished(gate.close);
    const lab = await createLab({ registries: { lab: gate.host } }, onTestFinished);
    const TMPDIR = temporaryDirectoryOf(lab);
    const up = await lab.start('up', { TMPDIR });
    expect((await up.post({ repository: lab.repository() })).status).toBe(202);
    await gate.untilArrived(1 + ofTheWalk);

    await stopping(up);
    up.process.kill('SIGINT');

    expect(await up.process.exited).toEqual({ code: 1, signal: null });
    await untilNothingIsLeft(lab);
  });

  test('takes its Redis along when a signal comes while it starts', async ({ onTestFinished }) => {
    const lab = await createLab({ registries: { lab: host } }, onTestFinished);
    const TMPDIR = temporaryDirectoryOf(lab);
    const up = await startAutosign({ args: ['up'], env: { ...lab.environment, TMPDIR } });
    onTestFinished(async () => void (await up.stop()));
    await up.waitForLine((line) => line.includes('private Redis started'), startTimeoutMs);

    up.kill('SIGTERM');

    expect(await up.exited).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(lab);
  });
});

/** A lab whose registry, behind a gate, does not answer yet. */
async function gatedLab(atEnd: AtEnd) {
  const gate = await startGate(host);
  atEnd(gate.close);
  const redis = await startRedis({ appendOnly: false });
  atEnd(redis.stop);
  return {
    gate,
    redisUrl: redis.url,
    lab: await createLab({ registries: { lab: gate.host }, redisUrl: redis.url }, atEnd),
  };
}

async function push(lab: Lab, registry = 'lab') {
  const repository = lab.repository(registry);
  return { repository, image: await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' }) };
}

/** Sends SIGTERM and waits until it was heard. */
async function stopping({ process }: Service): Promise<void> {
  process.kill('SIGTERM');
  await process.waitForLine((line) => line.includes('"stopping"'), startTimeoutMs);
}

async function jobsIn(redisUrl: string, atEnd: AtEnd) {
  const redis = new Redis(redisUrl);
  atEnd(async () => redis.disconnect());
  const name = (state: string) => `${signQueuePrefix}:sign:${state}`;
  const [wait, delayed, active] = await Promise.all([
    redis.llen(name('wait')),
    redis.zcard(name('delayed')),
    redis.llen(name('active')),
  ]);
  return { waiting: wait + delayed, active };
}

/** One of its own, so that whatever a process leaves there, or starts, is found. */
function temporaryDirectoryOf({ directory }: Lab): string {
  const path = join(directory, 'tmp');
  mkdirSync(path);
  return path;
}

async function untilNothingIsLeft({ directory }: Lab): Promise<void> {
  await waitUntil(
    async () => processesWithin(directory),
    (running) => running.length === 0,
  );
  expect(readdirSync(join(directory, 'tmp'))).toEqual([]);
}
