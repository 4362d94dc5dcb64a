import { describe, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { JobVerdict } from '../../../src/worker/process-job.ts';
import { done, gatedProcess, openQueue, pushOf } from './open-queue.ts';

const hourMs = 3_600_000;

/** A `process` that answers these verdicts in turn, and counts. */
function scripted(...verdicts: readonly (JobVerdict | Error)[]) {
  const seen: unknown[] = [];
  const process = async (data: unknown): Promise<JobVerdict> => {
    seen.push(data);
    const verdict = verdicts[Math.min(seen.length, verdicts.length) - 1];
    if (verdict === undefined || verdict instanceof Error) throw verdict ?? new Error('no verdict');
    return verdict;
  };
  return { process, seen };
}

const unreachable = new AutosignError('registry-unreachable', 'GET lab/prod/app:v1: the registry does not answer');
const asleep = (afterMs?: number): JobVerdict => ({ next: 'sleep', outcome: undefined, reason: 'key paused', afterMs });

describe('a job that is done', () => {
  test('ran once, keeps its outcome, and is one line in the log', async () => {
    const { queue, startWorker, until, jobOf, log } = openQueue();
    const { process, seen } = scripted(done);
    startWorker(process);
    const job = pushOf('v1');
    const { id } = await queue.add(job);
    expect(await until('completed')).toBe(id);
    expect(seen).toEqual([job]);
    expect((await jobOf(id)).returnvalue).toEqual(done.next === 'done' ? done.outcome : undefined);
    expect(log).toMatchObject([
      { level: 'info', msg: 'job done', job: id, registry: 'lab', repository: 'prod/app', tag: 'v1' },
    ]);
  });

  test('makes room for the next push of the tag', async () => {
    const { queue, startWorker, until } = openQueue();
    const { process, seen } = scripted(done);
    startWorker(process);
    for (const count of [1, 2, 3]) {
      await queue.add(pushOf('v1'));
      await until('completed', count);
    }
    expect(seen).toHaveLength(3);
  });
});

describe('a job that is to be tried again', () => {
  test('uses its attempts and ends in the dead letters after the last, saying why', async () => {
    const { startWorker, until, jobOf, addWith, log } = openQueue();
    const { process, seen } = scripted({ next: 'retry', error: unreachable });
    startWorker(process);
    const { id } = await addWith(pushOf('v1'), { attempts: 3, backoff: 1 });
    expect(await until('failed')).toBe(id);
    expect(seen).toHaveLength(3);
    const job = await jobOf(id);
    expect(await job.getState()).toBe('failed');
    expect(job).toMatchObject({ attemptsMade: 3, failedReason: expect.stringContaining(unreachable.message) });
    expect(log.map(({ level, msg, attempt }) => ({ level, msg, attempt }))).toEqual([
      { level: 'warn', msg: 'job failed, is tried again', attempt: 1 },
      { level: 'warn', msg: 'job failed, is tried again', attempt: 2 },
      { level: 'error', msg: 'job ends in the dead letters', attempt: 3 },
    ]);
  });

  test('waits before the next attempt, and is done when that succeeds', async () => {
    const { startWorker, until, jobOf, addWith } = openQueue();
    startWorker(scripted({ next: 'retry', error: unreachable }, done).process);
    const { id } = await addWith(pushOf('v1'), { attempts: 3, backoff: 1 });
    expect(await until('delayed')).toBe(id);
    expect(await until('completed')).toBe(id);
    expect((await jobOf(id)).attemptsMade).toBe(2);
  });

  test('waits as long as the other side asked for, when that is longer than its own delay', async () => {
    const { queue, startWorker, until, jobOf } = openQueue();
    const throttled = new AutosignError('registry-throttled', 'GET lab/prod/app:v1: 429', { retryAfterMs: hourMs });
    startWorker(scripted({ next: 'retry', error: throttled }).process);
    const { id } = await queue.add(pushOf('v1'));
    expect(await until('delayed')).toBe(id);
    const { delay, attemptsMade } = await jobOf(id);
    expect(attemptsMade).toBe(1);
    expect(delay).toBeGreaterThanOrEqual(hourMs);
    expect(delay).toBeLessThanOrEqual(1.1 * hourMs);
  });

  test('waits half a second to a second the first time, when nobody asked for more', async () => {
    const { queue, startWorker, until, jobOf } = openQueue();
    startWorker(scripted({ next: 'retry', error: unreachable }).process);
    const { id } = await queue.add(pushOf('v1'));
    await until('delayed');
    const { delay } = await jobOf(id);
    expect(delay).toBeGreaterThanOrEqual(500);
    expect(delay).toBeLessThanOrEqual(1_000);
  });

  test('keeps nothing in Redis of an error nobody expected, whose text may hold anything', async () => {
    const { startWorker, until, jobOf, addWith, redisText } = openQueue();
    startWorker(scripted(new TypeError('connect redis://:hunter2@host')).process);
    const { id } = await addWith(pushOf('v1'), { attempts: 1 });
    expect(await until('failed')).toBe(id);
    expect((await jobOf(id)).failedReason).toBe("unexpected: TypeError; the worker's log has the details");
    expect(await redisText()).not.toContain('hunter2');
  });

  test.each([
    ['an error nobody expected', new TypeError('x is not a function'), 'job met an unexpected error'],
    ['an error of ours that came through', unreachable, 'job failed, is tried again'],
  ])('%s is tried again and logged', async (_, error, msg) => {
    const { startWorker, until, addWith, log } = openQueue();
    startWorker(scripted(error, done).process);
    await addWith(pushOf('v1'), { attempts: 2, backoff: 1 });
    await until('completed');
    expect(log[0]).toMatchObject({ msg, err: { message: error.message } });
  });
});

describe('a job that is given up', () => {
  test('ends in the dead letters at once, with the code and the cause as text', async () => {
    const { queue, startWorker, until, jobOf, log } = openQueue();
    const error = new AutosignError('job-invalid', 'The job is not one of this version: version: expected 1');
    const { process, seen } = scripted({ next: 'give-up', error });
    startWorker(process);
    const { id } = await queue.add(pushOf('v1'));
    expect(await until('failed')).toBe(id);
    expect(seen).toHaveLength(1);
    const job = await jobOf(id);
    expect(await job.getState()).toBe('failed');
    expect(job).toMatchObject({ attemptsMade: 1, failedReason: `job-invalid: ${error.message}` });
    expect(log).toMatchObject([{ level: 'error', msg: 'job ends in the dead letters', err: { code: 'job-invalid' } }]);
  });

  test('does not stand in the way of the next push of the tag', async () => {
    const { queue, startWorker, until } = openQueue();
    startWorker(scripted({ next: 'give-up', error: unreachable }, done).process);
    await queue.add(pushOf('v1'));
    await until('failed');
    await queue.add(pushOf('v1'));
    await until('completed');
  });
});

describe('a job that sleeps', () => {
  test('comes back as often as it takes, without using an attempt', async () => {
    const { startWorker, until, jobOf, addWith, log } = openQueue();
    const sleeps = 25;
    const { process, seen } = scripted(...Array.from({ length: sleeps }, () => asleep(1)), done);
    startWorker(process);
    const { id } = await addWith(pushOf('v1'), { attempts: 2, backoff: 1 });
    expect(await until('completed')).toBe(id);
    expect(seen).toHaveLength(sleeps + 1);
    // BullMQ counts the run that ended the job.
    expect(await jobOf(id)).toMatchObject({ attemptsMade: 1, attemptsStarted: sleeps + 1 });
    const told = log.map(({ msg, err }) => (err === undefined ? msg : `${msg}: ${JSON.stringify(err)}`));
    expect(told).toEqual([...Array.from({ length: sleeps }, () => 'job sleeps'), 'job done']);
  });

  test('has all its attempts left afterwards', async () => {
    const { startWorker, until, jobOf, addWith } = openQueue();
    const { process } = scripted(asleep(1), asleep(1), asleep(1), { next: 'retry', error: unreachable });
    startWorker(process);
    const { id } = await addWith(pushOf('v1'), { attempts: 2, backoff: 1 });
    await until('failed');
    expect((await jobOf(id)).attemptsMade).toBe(2);
  });

  test('sleeps about half a second first, and as long as the other side asked for or a little longer when it did', async () => {
    const { queue, startWorker, until, jobOf } = openQueue();
    const { process } = scripted(asleep(), asleep(60_000));
    startWorker(process);
    const first = await queue.add(pushOf('v1'));
    expect(await until('delayed')).toBe(first.id);
    const shortly = await jobOf(first.id);
    expect(shortly.attemptsMade).toBe(0);
    expect(shortly.delay).toBeGreaterThanOrEqual(375);
    expect(shortly.delay).toBeLessThanOrEqual(625);
    await until('delayed', 2);
    const { delay } = await jobOf(first.id);
    expect(delay).toBeGreaterThanOrEqual(60_000);
    expect(delay).toBeLessThanOrEqual(75_000);
  });

  test('is replaced by the next push of the tag, which runs at once', async () => {
    const { queue, inspect, startWorker, until } = openQueue();
    const { process, seen } = scripted(asleep(hourMs), done);
    startWorker(process);
    const sleeping = await queue.add(pushOf('v1'));
    await until('delayed');
    const fresh = pushOf('v1');
    const { id } = await queue.add(fresh);
    expect(id).not.toBe(sleeping.id);
    expect(await until('completed')).toBe(id);
    expect(seen[1]).toEqual(fresh);
    expect(await inspect.getJob(sleeping.id)).toBeUndefined();
    expect(await inspect.getDelayedCount()).toBe(0);
  });

  test('does not hold up other tags', async () => {
    const { queue, startWorker, until } = openQueue();
    startWorker(scripted(asleep(hourMs), done).process);
    await queue.add(pushOf('v1'));
    const { id } = await queue.add(pushOf('v2'));
    expect(await until('completed')).toBe(id);
  });

  test('keeps a push that arrived while it ran: the tag is looked at twice more', async () => {
    const { queue, startWorker, until } = openQueue();
    const { process, started, gates } = gatedProcess();
    startWorker(process);
    await queue.add(pushOf('v1'));
    const first = await started(1);
    const later = pushOf('v1');
    await queue.add(later);
    first.end(asleep(1));
    (await started(2)).end(done);
    (await started(3)).end(done);
    await until('completed', 2);
    expect(gates[2]?.data).toEqual(later);
  });

  test('lets the next push through also when one arrived while it ran', async () => {
    const { queue, startWorker, until } = openQueue();
    const { process, started } = gatedProcess();
    startWorker(process);
    await queue.add(pushOf('v1'));
    const first = await started(1);
    await queue.add(pushOf('v1'));
    first.end(asleep(hourMs));
    await until('delayed');
    const fresh = pushOf('v1');
    await queue.add(fresh);
    const next = await started(2);
    expect(next.data).toEqual(fresh);
    next.end(done);
    await until('completed');
  });
});
