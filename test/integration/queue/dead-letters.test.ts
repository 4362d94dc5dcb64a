import { Queue, UnrecoverableError, Worker } from 'bullmq';
import { expect, inject, onTestFinished, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { closeConnection, connectProducer, connectWorker } from '../../../src/queue/connection.ts';
import { createDeadLetters, type DeadLetter, type SendableDeadLetter } from '../../../src/queue/dead-letters.ts';
import { signJobOptions, signQueueName } from '../../../src/queue/job-options.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { createSignQueue, type SignQueue } from '../../../src/queue/sign-queue.ts';
import { uniquePrefix } from '../../support/names.ts';

const now = new Date('2026-05-06T07:08:09.000Z');

function jobFor(tag: string, more: Partial<SignJob> = {}): SignJob {
  const receivedAt = '2026-01-02T03:04:05.000Z';
  return {
    version: 1,
    registry: 'lab',
    repository: 'prod/app',
    tag,
    lane: 'push',
    cause: { kind: 'push', receivedAt },
    ...more,
  };
}

function open(wrapQueue: (queue: SignQueue) => Pick<SignQueue, 'add'> = (queue) => queue) {
  const prefix = uniquePrefix('dead');
  const redis = connectProducer({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const shared = { redis, prefix, timeoutMs: 5_000 };
  const queue = createSignQueue(shared);
  const dead = createDeadLetters({ ...shared, queue: wrapQueue(queue), now: () => now });
  const inspect = new Queue<SignJob>(signQueueName, { connection: redis, prefix, skipVersionCheck: true });
  onTestFinished(async () => {
    await inspect.obliterate({ force: true });
    await Promise.all([dead.close(), queue.close(), inspect.close()]);
    await closeConnection(redis);
  });

  /** Lets a job fail for good with this cause; one after the other, so that their order is known. */
  async function fail(data: unknown, reason: string, id?: string): Promise<string> {
    const added = await inspect.add('push', data as SignJob, {
      ...signJobOptions(jobFor('x')),
      deduplication: { id: `${Math.random()}` },
      ...(id && { jobId: id }),
    });
    const connection = connectWorker({ redisUrl: inject('redisUrl'), onError: () => undefined });
    const worker = new Worker(signQueueName, () => Promise.reject(new UnrecoverableError(reason)), {
      connection,
      prefix,
    });
    const failed = new Promise((resolve) => worker.on('failed', resolve));
    await failed;
    await worker.close();
    await closeConnection(connection);
    return added.id ?? '';
  }
  return { prefix, redis, queue, dead, inspect, fail };
}

function sendable(letter: DeadLetter | undefined): SendableDeadLetter {
  if (letter?.job === undefined) throw new Error('no dead letter that can be sent again');
  return { ...letter, job: letter.job };
}

test('lists them from the newest to the oldest, with image, cause, time and attempts', async () => {
  const { dead, fail } = open();
  const first = await fail(jobFor('v1'), 'registry-denied: GET lab/prod/app:v1: the registry answered 403\nand more');
  const second = await fail(jobFor('v2'), 'not-found: PUT: the registry answered 404');
  const letters = await Array.fromAsync(dead.list());
  expect(letters).toMatchObject([
    { id: second, job: { tag: 'v2' }, code: 'not-found', message: 'PUT: the registry answered 404', attempts: 1 },
    { id: first, code: 'registry-denied', message: 'GET lab/prod/app:v1: the registry answered 403\nand more' },
  ]);
  expect(Date.now() - (letters[0]?.failedAt.getTime() ?? 0)).toBeLessThan(60_000);
});

test.each([
  ["unexpected: TypeError; the worker's log has the details", /^unexpected: TypeError/],
  ['job stalled more than allowable limit', /^job stalled/],
  ['no-such-code: x', /^no-such-code: x$/],
])('a cause that is none of ours is unexpected: %s', async (reason, message) => {
  const { dead, fail } = open();
  await fail(jobFor('v1'), reason);
  expect(await Array.fromAsync(dead.list())).toMatchObject([
    { code: 'unexpected', message: expect.stringMatching(message) },
  ]);
});

test('chooses by registry and by cause', async () => {
  const { dead, fail } = open();
  const denied = await fail(jobFor('v1'), 'registry-denied: 403');
  const elsewhere = await fail(jobFor('v1', { registry: 'prod' }), 'registry-denied: 403');
  await fail(jobFor('v2'), 'too-large: 5 MiB');
  const ids = async (filter: Parameters<typeof dead.list>[0]) =>
    (await Array.fromAsync(dead.list(filter))).map(({ id }) => id);
  expect(await ids({ registry: 'lab', code: 'registry-denied' })).toEqual([denied]);
  expect(await ids({ registry: 'prod' })).toEqual([elsewhere]);
  expect(await ids({ code: 'not-found' })).toEqual([]);
});

test('what a stranger wrote is listed as unreadable and hides nothing', async () => {
  const { dead, fail, redis, prefix } = open();
  const good = await fail(jobFor('v1'), 'not-found: gone');
  const foreign = await fail({ ...jobFor('v2'), version: 2 }, 'job-invalid: version');
  const broken = await fail(jobFor('v3'), 'not-found: gone');
  await redis.hset(`${prefix}:${signQueueName}:${broken}`, 'data', '{no json');
  const letters = await Array.fromAsync(dead.list());
  expect(new Map(letters.map(({ id, job, code }) => [id, { readable: job !== undefined, code }]))).toEqual(
    new Map([
      [good, { readable: true, code: 'not-found' }],
      [foreign, { readable: false, code: 'job-invalid' }],
      [broken, { readable: false, code: 'unexpected' }],
    ]),
  );
});

test('lists more than one page, each once', async () => {
  const { dead, redis, inspect, fail } = open();
  const id = await fail(jobFor('v1'), 'not-found: gone');
  const copies = Array.from({ length: 250 }, (_, index) => `copy-${index}`);
  for (const copy of copies) {
    await redis.copy(inspect.toKey(id), inspect.toKey(copy));
    await redis.zadd(inspect.toKey('failed'), 1, copy);
  }
  const ids = (await Array.fromAsync(dead.list())).map((letter) => letter.id);
  expect(new Set(ids)).toEqual(new Set([id, ...copies]));
  expect(ids).toHaveLength(251);
});

test('one that is sent again waits as a new job with all its attempts, and is a dead letter no more', async () => {
  const { dead, inspect, fail } = open();
  const id = await fail(jobFor('v1'), 'registry-denied: 403');
  const sent = await dead.sendAgain(sendable(await dead.get(id)), 'push');
  expect(sent).not.toBe(id);
  const job = await inspect.getJob(sent);
  expect(job).toMatchObject({
    data: jobFor('v1', { cause: { kind: 'operator', requestedAt: now.toISOString() } }),
    attemptsMade: 0,
    opts: { attempts: 12, deduplication: { id: 'push:lab:prod/app:v1' } },
  });
  expect(await job?.getState()).toBe('waiting');
  expect(await Array.fromAsync(dead.list())).toEqual([]);
  expect(await dead.get(id)).toBeUndefined();
});

test('one that is sent again while a push of its tag waits becomes part of that push', async () => {
  const { dead, queue, inspect, fail } = open();
  const id = await fail(jobFor('v1'), 'registry-denied: 403');
  const waiting = await queue.add(jobFor('v1'));
  expect(await dead.sendAgain(sendable(await dead.get(id)), 'push')).toBe(waiting.id);
  expect(await inspect.getJobCounts('waiting', 'failed')).toEqual({ waiting: 1, failed: 0 });
});

test('what is sent again in the lane behind live pushes lets them go first', async () => {
  const { dead, inspect, fail } = open();
  const id = await fail(jobFor('v1'), 'registry-denied: 403');
  await dead.sendAgain(sendable(await dead.get(id)), 'backfill');
  expect(await inspect.getJobCounts('waiting', 'prioritized')).toEqual({ waiting: 0, prioritized: 1 });
});

test('stays a dead letter when the new job is not confirmed', async () => {
  const refused = new AutosignError('redis-unreachable', 'Redis has not confirmed the command.');
  const { dead, fail } = open(() => ({ add: () => Promise.reject(refused) }));
  const id = await fail(jobFor('v1'), 'registry-denied: 403');
  await expect(dead.sendAgain(sendable(await dead.get(id)), 'push')).rejects.toBe(refused);
  expect(await dead.get(id)).toMatchObject({ id, code: 'registry-denied' });
});

test('a job that waits, and an id that nobody knows, are no dead letters', async () => {
  const { dead, queue } = open();
  const { id } = await queue.add(jobFor('v1'));
  expect(await dead.get(id)).toBeUndefined();
  expect(await dead.get('4711')).toBeUndefined();
});

test('a dead letter is bounded in number only, not in age', async () => {
  const { inspect, fail, dead } = open();
  const id = await fail(jobFor('v1'), 'not-found: gone');
  const job = await inspect.getJob(id);
  expect(job?.opts.removeOnFail).toEqual({ count: 100_000 });
  expect(await dead.get(id)).toBeDefined();
});

test('fails within its time when Redis is not there', async () => {
  const redis = connectProducer({ redisUrl: 'redis://127.0.0.1:1', onError: () => undefined });
  const queue = { add: () => Promise.reject(new Error('never asked')) };
  const dead = createDeadLetters({ redis, prefix: '{none}', timeoutMs: 200, queue, now: () => now });
  await expect(Array.fromAsync(dead.list())).rejects.toMatchObject({ code: 'redis-unreachable' });
  await dead.close();
  await closeConnection(redis);
});
