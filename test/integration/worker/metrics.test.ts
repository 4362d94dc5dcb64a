import { expect, inject, onTestFinished, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { createJobCounts } from '../../../src/queue/job-counts.ts';
import { createWorkerHealth } from '../../../src/receiver/worker-health.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { openQueue, pushOf } from './open-queue.ts';

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
      .filter((line) => line.startsWith('autosign'))
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
    'autosign_queue_jobs{state="waiting"} 0',
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

test('counts the jobs of every state', async () => {
  const { queue, prefix } = openQueue();
  const redis = connectStore({ redisUrl: inject('redisUrl'), onError: () => undefined });
  const counts = createJobCounts({ redis, prefix, timeoutMs: 5_000 });
  onTestFinished(async () => {
    await counts.close();
    await closeConnection(redis);
  });
  await queue.add(pushOf('v1'));
  await queue.add({ ...pushOf('v1'), lane: 'backfill' });
  expect(await counts.read()).toEqual({ waiting: 1, prioritized: 1, active: 0, delayed: 0, failed: 0 });
});

test('gives up on a Redis that is not there, and closes', async () => {
  const redis = connectStore({ redisUrl: 'redis://127.0.0.1:1', onError: () => undefined });
  const counts = createJobCounts({ redis, prefix: '{none}', timeoutMs: 200 });
  await expect(counts.read()).rejects.toMatchObject({ code: 'redis-unreachable' });
  await counts.close();
  await closeConnection(redis);
});
