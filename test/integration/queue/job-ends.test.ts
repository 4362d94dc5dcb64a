import { expect, onTestFinished, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { createJobEnds } from '../../../src/queue/job-ends.ts';
import type { ImageOutcome, IntentStatus } from '../../../src/signing/outcome.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { openStore } from '../coordination/open-store.ts';
import { openQueue, pushOf } from '../worker/open-queue.ts';

function open() {
  const setting = openQueue();
  const { redis } = openStore();
  const ends = createJobEnds({ redis, prefix: setting.prefix, timeoutMs: 5_000 });
  onTestFinished(() => ends.close());
  const read = (...ids: readonly string[]) =>
    ends.read(ids.map((id) => ({ registry: 'lab', repository: 'prod/app', id })));
  return { ...setting, redis, read };
}

function examined(...statuses: readonly IntentStatus[]): ImageOutcome {
  const intents = statuses.map((status) => ({
    rules: ['all'],
    key: 'release',
    format: 'notation' as const,
    status,
    reason: `it is ${status}`,
  }));
  return { status: 'examined', digest: `sha256:${'0'.repeat(64)}`, superseded: false, intents };
}

const done = (outcome: ImageOutcome): JobVerdict => ({ next: 'done', outcome });

test('says nothing of jobs that wait or sleep', async () => {
  const { queue, startWorker, until, read } = open();
  const { id: first } = await queue.add(pushOf('v1'));
  expect(await read(first)).toEqual([undefined]);
  startWorker(async () => ({ next: 'sleep', outcome: undefined, reason: 'the key is paused' }));
  await until('delayed');
  const { id: second } = await queue.add(pushOf('v2'));
  expect(await read(first, second)).toEqual([undefined, undefined]);
  expect(await read()).toEqual([]);
});

test.each([
  [examined('signed'), { status: 'signed' }],
  [examined('already-signed'), { status: 'signed' }],
  [examined('existing', 'signed'), { status: 'signed' }],
  [examined('existing', 'audit'), { status: 'left', reason: 'it is existing' }],
  [
    { status: 'gone', reason: 'The registry has it no more.' },
    { status: 'left', reason: 'The registry has it no more.' },
  ],
] as const)('tells how one ended by what the worker left: %j', async (outcome, expected) => {
  const { queue, startWorker, until, read } = open();
  const { id } = await queue.add(pushOf('v1'));
  startWorker(async () => done(outcome));
  await until('completed');
  expect(await read(id)).toEqual([expected]);
});

test('tells the cause of dead letters, each in its place', async () => {
  const { queue, startWorker, until, read } = open();
  const ids = [];
  for (const tag of ['v1', 'v2', 'v3']) ids.push((await queue.add(pushOf(tag))).id);
  let runs = 0;
  startWorker(async () => {
    runs += 1;
    if (runs === 2) return done(examined('signed'));
    return { next: 'give-up', error: new AutosignError('registry-denied', 'no: not you') };
  });
  await until('failed', 2);
  const failed = { status: 'failed', code: 'registry-denied' };
  expect(await read(...ids)).toEqual([failed, { status: 'signed' }, failed]);
});

test('one that is not there any more is gone, whatever its neighbours are', async () => {
  const { queue, inspect, read } = open();
  const { id: first } = await queue.add(pushOf('v1'));
  const { id: second } = await queue.add(pushOf('v2'));
  await (await inspect.getJob(first))?.remove();
  expect(await read(first, second, '4711')).toEqual([{ status: 'gone' }, undefined, { status: 'gone' }]);
});

test.each([
  ['no JSON', { status: 'gone' }],
  ['{"status":7}', { status: 'gone' }],
])('what a stranger wrote in place of an outcome is not believed: %s', async (text, expected) => {
  const { queue, startWorker, until, read, redis, inspect } = open();
  const { id } = await queue.add(pushOf('v1'));
  startWorker(async () => done(examined('signed')));
  await until('completed');
  await redis.hset(inspect.toKey(id), 'returnvalue', text);
  expect(await read(id)).toEqual([expected]);
});
