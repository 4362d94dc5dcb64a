import { expect, onTestFinished, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { closeConnection, connectProducer } from '../../../src/queue/connection.ts';
import { createDeadLetters } from '../../../src/queue/dead-letters.ts';
import { createImageJobs } from '../../../src/queue/image-jobs.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { done, gatedProcess, openQueue, pushOf } from '../worker/open-queue.ts';

const image = (tag: string) => ({ registry: 'lab', repository: 'prod/app', tag });
const refused = new AutosignError('registry-denied', 'GET lab/prod/app:v1: the registry answered 403');

function open(redisUrl?: string) {
  const opened = openQueue(redisUrl);
  const redis = connectProducer({ redisUrl: opened.redisUrl, onError: () => undefined });
  const shared = { redis, prefix: opened.prefix, timeoutMs: 5_000 };
  const deadLetters = createDeadLetters({ ...shared, queue: opened.queue, now: () => new Date() });
  const jobs = createImageJobs({ ...shared, deadLetters });
  onTestFinished(async () => {
    await jobs.close();
    await deadLetters.close();
    await closeConnection(redis);
  });
  return { ...opened, redis, jobs };
}

const backfillOf = (tag: string): SignJob => ({
  ...pushOf(tag),
  lane: 'backfill',
  cause: { kind: 'reconcile', requestedAt: new Date().toISOString() },
});

test('finds the job that waits, since when, and the live push before what is behind it', async () => {
  const { queue, jobs } = open();
  const behind = await queue.add(backfillOf('v1'));
  expect(await jobs.live(image('v1'))).toMatchObject({
    id: behind.id,
    lane: 'backfill',
    state: 'waiting',
    failures: 0,
  });
  const push = await queue.add(pushOf('v1'));
  const found = await jobs.live(image('v1'));
  expect(found).toMatchObject({ id: push.id, lane: 'push', state: 'waiting', until: undefined, reason: undefined });
  expect(Math.abs(Date.now() - (found?.queuedAt.getTime() ?? 0))).toBeLessThan(60_000);
});

test('finds nothing for another tag, repository or registry, nor when the job has ended', async () => {
  const { queue, jobs, startWorker, until } = open();
  await queue.add(pushOf('v1'));
  expect(await jobs.live(image('v10'))).toBeUndefined();
  expect(await jobs.live({ ...image('v1'), repository: 'prod/app2' })).toBeUndefined();
  expect(await jobs.live({ ...image('v1'), registry: 'far' })).toBeUndefined();
  startWorker(async () => ({ next: 'done', outcome: { status: 'gone', reason: 'gone' } }));
  await until('completed');
  expect(await jobs.live(image('v1'))).toBeUndefined();
});

test('finds the job that runs', async () => {
  const { queue, jobs, startWorker } = open();
  const gate = gatedProcess();
  startWorker(gate.process);
  const { id } = await queue.add(pushOf('v1'));
  const { end } = await gate.started(1);
  expect(await jobs.live(image('v1'))).toMatchObject({ id, state: 'running' });
  end(done);
});

test('tells until when a job sleeps, and why', async () => {
  const { queue, jobs, startWorker, until } = open();
  const afterMs = 300_000;
  startWorker(async () => ({ next: 'sleep', outcome: undefined, reason: 'Key release is paused: disabled', afterMs }));
  const { id } = await queue.add(pushOf('v1'));
  await until('delayed');
  const found = await jobs.live(image('v1'));
  expect(found).toMatchObject({ id, state: 'sleeping', reason: 'Key release is paused: disabled' });
  const inMs = (found?.until?.getTime() ?? 0) - Date.now();
  // What was asked for, a random quarter more at most, and less than a minute gone.
  expect(inMs).toBeGreaterThan(afterMs - 60_000);
  expect(inMs).toBeLessThan(afterMs * 1.25 + 1_000);
});

test('of a job that failed after it had slept tells the failure, and how often', async () => {
  const { queue, jobs, startWorker, until } = open();
  const throttled = new AutosignError('registry-throttled', 'lab asks for time', { retryAfterMs: 300_000 });
  const verdicts: JobVerdict[] = [{ next: 'sleep', outcome: undefined, reason: 'asleep', afterMs: 1 }];
  startWorker(async () => verdicts.shift() ?? { next: 'retry', error: throttled });
  await queue.add(pushOf('v1'));
  await until('delayed', 2);
  const found = await jobs.live(image('v1'));
  expect(found).toMatchObject({ state: 'sleeping', reason: throttled.message, failures: 1 });
});

test('finds the newest dead letter of the image among others, however alike', async () => {
  const { queue, jobs, startWorker, until } = open();
  startWorker(async () => ({ next: 'give-up', error: refused }));
  const dead: string[] = [];
  for (const [tag, repository] of [
    ['v1', 'prod/app'],
    ['v1', 'prod/app'],
    ['v10', 'prod/app'],
    ['v1', 'prod/app2'],
  ] as const) {
    dead.push((await queue.add({ ...pushOf(tag), repository })).id);
    await until('failed', dead.length);
  }
  expect(await jobs.dead(image('v1'))).toMatchObject({
    id: dead[1],
    code: 'registry-denied',
    message: refused.message,
    job: { tag: 'v1', repository: 'prod/app' },
  });
  expect(await jobs.dead(image('v2'))).toBeUndefined();
});

test('what a stranger wrote hides no dead letter', async () => {
  const { queue, jobs, redis, prefix, startWorker, until } = open();
  startWorker(async () => ({ next: 'give-up', error: refused }));
  const { id } = await queue.add(pushOf('v1'));
  await until('failed');
  await redis.hset(`${prefix}:sign:4711`, 'data', '{"repository":"prod/app","tag":"v1"');
  await redis.zadd(`${prefix}:sign:failed`, Date.now() + 1_000, '4711', Date.now() + 2_000, '4712');
  expect(await jobs.dead(image('v1'))).toMatchObject({ id });
});

test('says that Redis is not there', async () => {
  const redis = connectProducer({ redisUrl: 'redis://127.0.0.1:1', onError: () => undefined });
  const deadLetters = { get: () => Promise.reject(new Error('not asked')) };
  const jobs = createImageJobs({ redis, prefix: '{nowhere}', timeoutMs: 200, deadLetters });
  onTestFinished(async () => {
    await jobs.close();
    await closeConnection(redis);
  });
  await expect(jobs.live(image('v1'))).rejects.toMatchObject({ code: 'redis-unreachable' });
  await expect(jobs.dead(image('v1'))).rejects.toMatchObject({ code: 'redis-unreachable' });
});
