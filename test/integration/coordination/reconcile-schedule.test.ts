import { expect, onTestFinished, test } from 'vitest';
import { createLeases } from '../../../src/coordination/lease.ts';
import { createReconcileSchedule } from '../../../src/coordination/reconcile-schedule.ts';
import { openStore } from './open-store.ts';

const minute = 60_000_000;

/** A registry whose last run began and ended so long ago, in microseconds. */
async function scheduleAfterRun({ began, ended }: { readonly began: number; readonly ended: number }) {
  const store = openStore();
  const schedule = createReconcileSchedule(store);
  const lease = await createLeases({ ...store, leaseMs: 10_000, renewMs: 1_000 }).take('reconcile:lab');
  if (lease === undefined) throw new Error('no lease');
  onTestFinished(() => lease.release());
  const now = await schedule.now();
  const run = { startedAt: now - began, finishedAt: now - ended };
  await schedule.finish(lease, { registry: 'lab', rulesHash: 'h', run, restMs: 3_600_000 });
  return { schedule, now };
}

test.each([
  ['within a minute of the last run', { began: minute, ended: minute / 2 }, false],
  ['a minute after it', { began: 2 * minute, ended: minute + 1 }, true],
  ['sooner after it than it took', { began: 20 * minute, ended: 9 * minute }, false],
  ['later', { began: 20 * minute, ended: 11 * minute }, true],
])('a wish without hurry %s: %o, is due: %s', async (_, run, expected) => {
  const { schedule, now } = await scheduleAfterRun(run);
  expect(await schedule.isDue('lab', 'h')).toBe(false);
  await schedule.wantUnhurried('lab', now);
  expect(await schedule.isDue('lab', 'h')).toBe(expected);
  expect(await schedule.isDue('other', 'h')).toBe(true);
});

test('it keeps no other wish waiting, and is covered by a run that begins after it', async () => {
  const { schedule, now } = await scheduleAfterRun({ began: 2 * minute, ended: minute * 1.5 });
  await schedule.wantUnhurried('lab', now - 3 * minute);
  expect(await schedule.isDue('lab', 'h')).toBe(false);
  await schedule.want('lab', now);
  expect(await schedule.isDue('lab', 'h')).toBe(true);
});
