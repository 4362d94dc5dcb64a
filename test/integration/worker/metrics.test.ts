import { expect, inject, onTestFinished, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { createQueueDepths } from '../../../src/queue/queue-depth.ts';
import { onlyQueue } from '../../../src/queue/queue-set.ts';
import { createWorkerHealth } from '../../../src/receiver/worker-health.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { done, gatedProcess, openQueue, pushOf } from './open-queue.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const health = async () => ({
  redis: true,
  rules: { hash: '', refused: undefined },
  keys: [],
  pausedRegistries: [],
  preparing: [],
});
const secret = 'hunter2-the-password';

const verdicts: Record<string, JobVerdict | Error> = {
  signed: {
    next: 'done',
    outcome: {
      status: 'examined',
      digest,
      superseded: false,
      intents: [{ rules: ['one', 'two'], key: 'release', format: 'notation', status: 'signed' }],
    },
  },
  asleep: { next: 'sleep', outcome: undefined, reason: secret, afterMs: 3_600_000 },
  retried: { next: 'retry', error: new AutosignError('registry-throttled', secret, { retryAfterMs: 3_600_000 }) },
  dead: { next: 'give-up', error: new AutosignError('too-large', secret) },
  surprising: new TypeError(secret),
};

test('counts how every run ended, and shows it on the admin port without a secret, repository or tag', async () => {
  const { queue, startWorker, until, metrics } = openQueue();
  startWorker(async (data) => {
    const verdict = verdicts[(data as { tag: string }).tag];
    if (verdict === undefined || verdict instanceof Error) throw verdict ?? new Error('no verdict');
    return verdict;
  });
  for (const tag of Object.keys(verdicts)) await queue.add(pushOf(tag));
  await Promise.all([until('completed'), until('failed'), until('delayed', 3)]);
  const app = await createWorkerHealth({ health, metrics });
  onTestFinished(() => app.close());
  const { statusCode, headers, body } = await app.inject('/metrics');
  expect(statusCode).toBe(200);
  expect(headers['content-type']).toMatch(/^text\/plain/);
  expect(
    body
      .split('\n')
      .filter((line) => line.startsWith('autosign') && !line.includes('_seconds_bucket'))
      .sort(),
  ).toEqual([
    'autosign_dead_letters 1',
    'autosign_failures_total{code="registry-throttled"} 1',
    'autosign_failures_total{code="too-large"} 1',
    'autosign_failures_total{code="unexpected"} 1',
    'autosign_jobs_total{registry="lab",outcome="dead"} 1',
    'autosign_jobs_total{registry="lab",outcome="examined"} 1',
    'autosign_jobs_total{registry="lab",outcome="retry"} 2',
    'autosign_jobs_total{registry="lab",outcome="sleep"} 1',
    'autosign_push_to_signed_seconds_count{registry="lab"} 1',
    // The push of the test is of long ago, and no push waits longer than a week.
    'autosign_push_to_signed_seconds_sum{registry="lab"} 604800',
    'autosign_queue_jobs{lane="push",state="waiting"} 0',
    'autosign_signatures_total{registry="lab",rule="one",format="notation",status="signed"} 1',
    'autosign_signatures_total{registry="lab",rule="two",format="notation",status="signed"} 1',
  ]);
  expect(body).not.toMatch(/hunter2|prod\/app|signed:|retried/);
});

test('a last attempt counts as a dead letter, not as a retry', async () => {
  const { addWith, startWorker, until, metrics } = openQueue();
  startWorker(async () => verdicts['retried'] as JobVerdict);
  await addWith(pushOf('v1'), { attempts: 1 });
  await until('failed');
  expect((await metrics.render()).text).toContain('autosign_jobs_total{registry="lab",outcome="dead"} 1');
});

test('counts the jobs of every lane in every state, and dead letters', async () => {
  const { queue, prefix, startWorker, until } = openQueue();
  const redis = connectStore({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const depths = createQueueDepths({ redis, queues: onlyQueue(prefix), timeoutMs: 5_000 });
  onTestFinished(async () => {
    await depths.close();
    await closeConnection(redis);
  });
  const { process, started } = gatedProcess();
  startWorker(async (data) => (verdicts[(data as { tag: string }).tag] as JobVerdict | undefined) ?? process(data));
  await queue.add({ ...pushOf('asleep'), lane: 'backfill' });
  await queue.add(pushOf('asleep'));
  await queue.add(pushOf('dead'));
  await Promise.all([until('delayed', 2), until('failed')]);
  await queue.add({ ...pushOf('runs'), lane: 'backfill' });
  const running = await started(1);
  await queue.add(pushOf('v1'));
  await queue.add({ ...pushOf('v1'), lane: 'backfill' });
  await queue.add({ ...pushOf('v2'), lane: 'backfill' });
  const { lanes, deadLetters } = await depths.read();
  expect(Object.fromEntries(lanes.map(({ lane, state, count }) => [`${lane} ${state}`, count]))).toEqual({
    'push waiting': 1,
    'backfill waiting': 2,
    'push active': 0,
    'backfill active': 1,
    'unknown active': 0,
    'push delayed': 1,
    'backfill delayed': 1,
    'unknown delayed': 0,
  });
  expect(deadLetters).toBe(1);
  running.end(done);
});

test('jobs that are too many to look at, and those of a stranger, are of an unknown lane', async () => {
  const { inspect, prefix } = openQueue();
  const redis = connectStore({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const depths = createQueueDepths({ redis, queues: onlyQueue(prefix), timeoutMs: 5_000 });
  onTestFinished(async () => {
    await depths.close();
    await closeConnection(redis);
  });
  const jobs = (name: string, count: number) =>
    Array.from({ length: count }, () => ({ name, data: {}, opts: { delay: 3_600_000 } }));
  await inspect.addBulk([...jobs('stranger', 2), ...jobs('push', 1_010)] as never);
  const { lanes } = await depths.read();
  const delayed = lanes.filter(({ state }) => state === 'delayed').map(({ lane, count }) => [lane, count]);
  expect(delayed).toEqual([
    ['push', 998],
    ['backfill', 0],
    ['unknown', 14],
  ]);
});

test('gives up on a Redis that is not there, and closes', async () => {
  const redis = connectStore({ redisUrl: 'redis://127.0.0.1:1', onError: () => undefined });
  const depths = createQueueDepths({ redis, queues: onlyQueue('{none}'), timeoutMs: 200 });
  await expect(depths.read()).rejects.toMatchObject({ code: 'redis-unreachable' });
  await depths.close();
  await closeConnection(redis);
});
