import { Queue, UnrecoverableError, Worker } from 'bullmq';
import { expect, onTestFinished, test } from 'vitest';
import { type AutosignRun, startAutosign } from '../../../infra/demo/autosign.ts';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { closeConnection, connectProducer, connectWorker } from '../../../src/queue/connection.ts';
import { signJobOptions, signQueueName, signQueuePrefix } from '../../../src/queue/job-options.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';

// The command knows one queue only, so each test has a Redis of its own.
async function open() {
  const { url: redisUrl, stop } = await startRedis({ appendOnly: false });
  const connection = connectProducer({ redisUrl, onError: () => undefined });
  const queue = new Queue<SignJob>(signQueueName, { connection, prefix: signQueuePrefix, skipVersionCheck: true });
  onTestFinished(async () => {
    await queue.close();
    await closeConnection(connection);
    await stop();
  });
  await connection.ping().catch(() => new Promise((resolve) => connection.once('ready', resolve)));

  async function fail(tag: string, reason: string, more: object = {}): Promise<string> {
    const job = {
      version: 1,
      registry: 'lab',
      repository: 'prod/app',
      tag,
      lane: 'push',
      cause: { kind: 'push', receivedAt: '2026-01-02T03:04:05.000Z' },
      ...more,
    } as SignJob;
    const added = await queue.add('push', job, signJobOptions(job));
    const own = connectWorker({ redisUrl, onError: () => undefined });
    const worker = new Worker(signQueueName, () => Promise.reject(new UnrecoverableError(reason)), {
      connection: own,
      prefix: signQueuePrefix,
    });
    await new Promise((resolve) => worker.on('failed', resolve));
    await worker.close();
    await closeConnection(own);
    return added.id ?? '';
  }
  return {
    queue,
    fail,
    run: (...args: string[]) => run({ args: ['dead', ...args], env: { AUTOSIGN_REDIS_URL: redisUrl } }),
  };
}

async function run(options: AutosignRun) {
  const started = await startAutosign(options);
  const { code } = await started.exited;
  return { code, out: started.stdout.join('\n'), err: started.stderr.join('\n') };
}

test('lists, as text and as JSON, what failed, why, and what to do', async () => {
  const { fail, run } = await open();
  expect(await run('list')).toMatchObject({ code: 0, out: 'no dead letters' });
  const id = await fail('v1', 'registry-denied: GET lab/prod/app:v1: the registry answered 403');
  const { code, out } = await run('list');
  expect(code).toBe(0);
  expect(out.split('\n')).toEqual([
    `${id}  lab prod/app:v1`,
    '    registry-denied: GET lab/prod/app:v1: the registry answered 403',
    expect.stringMatching(/^ {4}\d{4}-.*Z, 1 attempt\. Give the login of this registry the right/),
  ]);
  expect(JSON.parse((await run('list', '--json')).out)).toEqual({
    deadLetters: [
      {
        id,
        registry: 'lab',
        repository: 'prod/app',
        tag: 'v1',
        code: 'registry-denied',
        message: 'GET lab/prod/app:v1: the registry answered 403',
        failedAt: expect.stringMatching(/Z$/),
        attempts: 1,
        nextStep: expect.stringContaining('Give the login'),
      },
    ],
    more: false,
  });
});

test('says when it shows only the newest', async () => {
  const { fail, run } = await open();
  await fail('v1', 'not-found: gone');
  const newest = await fail('v2', 'not-found: gone');
  expect(JSON.parse((await run('list', '--limit', '1', '--json')).out)).toMatchObject({
    deadLetters: [{ id: newest }],
    more: true,
  });
  expect((await run('list', '--limit', '1')).out).toMatch(/there are more; these are the newest 1 \(--limit\)$/);
});

test('a terminal gets no command from what is in Redis', async () => {
  const { fail, run } = await open();
  await fail('v1', 'job-invalid: \u001b]0;owned\u0007 \u009b31m', { version: 9 });
  const { out } = await run('list');
  expect(out).toMatch(/job-invalid: \?\]0;owned\? \?31m/);
  expect(out).toMatch(/not a job of this release/);
});

test('queues one again by its id, ahead of all that is queued again by --all', async () => {
  const { fail, run, queue } = await open();
  const first = await fail('v1', 'registry-denied: 403');
  const second = await fail('v2', 'registry-denied: 403');
  const other = await fail('v3', 'not-found: 404');
  const one = await run('retry', first);
  expect(one).toMatchObject({
    code: 0,
    out: expect.stringMatching(new RegExp(`^${first}: queued again as job \\d+$`)),
  });
  const all = await run('retry', '--all', '--code', 'registry-denied', '--registry', 'lab', '--json');
  expect(JSON.parse(all.out)).toEqual({ retried: [{ id: second, status: 'queued', job: expect.any(String) }] });
  expect(await queue.getJobCounts('waiting', 'prioritized', 'failed')).toEqual({
    waiting: 1,
    prioritized: 1,
    failed: 1,
  });
  expect((await queue.getFailed())[0]?.id).toBe(other);
});

test('names what it could not queue again, does the rest, and ends with 1', async () => {
  const { fail, run, queue } = await open();
  const foreign = await fail('v1', 'job-invalid: version', { version: 9 });
  const good = await fail('v2', 'registry-denied: 403');
  const { code, out } = await run('retry', '4711', foreign, good, good);
  expect(code).toBe(1);
  expect(out.split('\n')).toEqual([
    '4711: there is no such dead letter',
    expect.stringContaining(`${foreign}: is not a job of this release and stays`),
    expect.stringContaining(`${good}: queued again`),
  ]);
  expect((await queue.getFailed()).map(({ id }) => id)).toEqual([foreign]);
});

const nowhere = { AUTOSIGN_REDIS_URL: 'redis://user:hunter2@127.0.0.1:1' };

test.each<[string, string[], Record<string, string>, number, RegExp]>([
  ['neither ids nor --all', ['retry'], nowhere, 2, /Name ids of dead letters, or write --all/],
  ['ids and --all', ['retry', '1', '--all'], nowhere, 2, /or write --all/],
  ['ids with a filter', ['retry', '1', '--registry', 'lab'], nowhere, 2, /choose among --all/],
  ['an unknown cause', ['list', '--code', 'nope'], nowhere, 2, /expected one of audit-unwritable/],
  ['a limit of nothing', ['list', '--limit', '0'], nowhere, 2, /whole number from 1/],
  ['no address of Redis', ['list'], {}, 2, /AUTOSIGN_REDIS_URL: is not set/],
  ['an unknown option', ['list', '--nope'], nowhere, 2, /unknown option/],
  ['Redis that is not there', ['list'], nowhere, 8, /Redis has not confirmed/],
])('%s is refused with the right exit code', async (_, args, env, expected, message) => {
  const { code, out, err } = await run({ args: ['dead', ...args], env });
  expect(err).toMatch(message);
  expect(code).toBe(expected);
  expect(`${out}${err}`).not.toContain('hunter2');
});
