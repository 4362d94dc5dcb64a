import { Queue, Worker } from 'bullmq';
import { expect, inject, onTestFinished, test } from 'vitest';
import { closeConnection, connectProducer, connectWorker } from '../../../src/queue/connection.ts';
import { createFinishedJobs } from '../../../src/queue/finished-jobs.ts';
import { signQueueName } from '../../../src/queue/job-options.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { uniquePrefix } from '../../support/names.ts';

const digest = `sha256:${'0f'.repeat(32)}`;
const signed = {
  status: 'examined',
  digest,
  superseded: false,
  intents: [{ rules: ['prod-images'], key: 'release', format: 'notation', status: 'signed', artifact: digest }],
};

function open(queues = 1) {
  const redis = connectProducer({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const prefixes = Array.from({ length: queues }, () => uniquePrefix('finished'));
  const finished = createFinishedJobs({ redis, prefixes, timeoutMs: 5_000 });
  const all = prefixes.map((prefix) => new Queue(signQueueName, { connection: redis, prefix, skipVersionCheck: true }));
  onTestFinished(async () => {
    await Promise.all(all.map((queue) => queue.obliterate({ force: true })));
    await Promise.all([finished.close(), ...all.map((queue) => queue.close())]);
    await closeConnection(redis);
  });
  /** Adds a job and ends it with this outcome. */
  async function finish(data: unknown, outcome: unknown, prefix = prefixes[0] ?? ''): Promise<string> {
    const { id = '' } = (await all[prefixes.indexOf(prefix)]?.add('push', data)) ?? {};
    const connection = connectWorker({ redisUrl: inject('redisUrl'), onError: () => undefined });
    const worker = new Worker(signQueueName, async () => outcome, { connection, prefix });
    await new Promise((resolve) => worker.on('completed', resolve));
    await worker.close();
    await closeConnection(connection);
    return id;
  }
  return { redis, prefixes, finished, finish };
}

function jobFor(tag: string, at = new Date(Date.now() - 2_000)): SignJob {
  const cause = { kind: 'push', receivedAt: at.toISOString() } as const;
  return { version: 1, registry: 'lab', repository: 'prod/app', tag, lane: 'push', cause };
}

test('gives the newest first, with outcome, time and what it took since the event', async () => {
  const { finished, finish } = open();
  const ids = [
    await finish(jobFor('v1'), signed),
    await finish(jobFor('v2'), { status: 'gone', reason: 'no such tag' }),
  ];
  const [newest, oldest] = await finished.newest(5);
  expect(newest).toMatchObject({ id: ids[1], job: { tag: 'v2' }, outcome: { status: 'gone', reason: 'no such tag' } });
  expect(oldest).toMatchObject({
    id: ids[0],
    job: { repository: 'prod/app', tag: 'v1' },
    outcome: {
      status: 'examined',
      digest,
      intents: [{ status: 'signed', format: 'notation', rules: ['prod-images'] }],
    },
  });
  expect(oldest?.tookMs).toBeGreaterThanOrEqual(2_000);
  expect(oldest?.tookMs).toBeLessThan(60_000);
  expect(await finished.newest(1)).toMatchObject([{ id: ids[1] }]);
});

test('gives those of all queues by time', async () => {
  const { finished, finish, prefixes } = open(2);
  await finish(jobFor('v1'), signed, prefixes[0]);
  await finish(jobFor('v2'), signed, prefixes[1]);
  await finish(jobFor('v3'), signed, prefixes[0]);
  expect((await finished.newest(2)).map(({ job }) => job.tag)).toEqual(['v3', 'v2']);
});

test('an event from the future took no time that anybody knows', async () => {
  const { finished, finish } = open();
  await finish(jobFor('v1', new Date(Date.now() + 3_600_000)), signed);
  expect(await finished.newest(1)).toMatchObject([{ job: { tag: 'v1' }, tookMs: undefined }]);
});

test('leaves out what a stranger wrote, and shows the rest', async () => {
  const { finished, finish, redis, prefixes } = open();
  await finish(jobFor('v1'), signed);
  await finish({ password: 'hunter2' }, signed);
  await finish(jobFor('v2'), { status: 7 });
  await finish(jobFor('v3'), { ...signed, digest: 'sha256:short' });
  const broken = await finish(jobFor('v4'), signed);
  await redis.hset(`${prefixes[0]}:${signQueueName}:${broken}`, 'returnvalue', '{no json');
  const timeless = await finish(jobFor('v5'), signed);
  await redis.hset(`${prefixes[0]}:${signQueueName}:${timeless}`, 'finishedOn', 'never');
  const alien = await finish(jobFor('v6'), signed);
  await redis.hset(`${prefixes[0]}:${signQueueName}:${alien}`, 'data', '[1');
  expect((await finished.newest(10)).map(({ job }) => job.tag)).toEqual(['v1']);
});
