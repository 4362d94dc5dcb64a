import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { startAutosign } from '../../infra/demo/autosign.ts';
import type { RunningProcess } from '../../infra/processes/start-process.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { startReferrersRegistry } from '../../infra/processes/start-referrers-registry.ts';
import { createServiceGroup, type Service, type ServiceGroup } from '../chaos/service-group.ts';
import { inParallel, partsOf, pushMany } from '../support/push-many.ts';
import { waitUntil } from './wait-until.ts';

const registryProgram = inject('registryProgram');
const timeoutMs = 240_000;
// 25 tags in each of 200 repositories; ten of them are what the rule wants.
const names = Array.from({ length: 5_000 }, (_, number) => {
  const tag = number % 25;
  return `team-${number % 4}/app-${Math.floor(number / 25)}:${tag < 10 ? 'v' : 'build-'}${tag}`;
});
const isWanted = (name: string) => partsOf(name).tag.startsWith('v');
const wantedCount = names.filter(isWanted).length;
const live = 'team-1/live:v1';

test.skipIf(registryProgram === undefined)(
  'a backfill of 5,000 tags that is stopped twice and killed once signs every wanted image once, beside a live push',
  { timeout: timeoutMs },
  async ({ onTestFinished }) => {
    const { host, stop: stopRegistry } = await startReferrersRegistry({ program: registryProgram ?? '' });
    onTestFinished(stopRegistry);
    const redis = await startRedis({ appendOnly: false });
    onTestFinished(() => redis.stop());
    const group = await createServiceGroup({
      registries: [{ name: 'lab', host }],
      redisUrl: redis.url,
      rule: { existing: 'ignore', namespaces: { include: ['team-*'] }, tags: { include: ['v*'] } },
      settings: { AUTOSIGN_RECONCILE_INTERVAL: '24h' },
    });
    onTestFinished(() => group.stop());
    const backfill = (...args: string[]) => startBackfill(group, redis.url, args);

    // What stands when a worker first sees the rule stands before the rule.
    const digests = await pushMany({ host, names });
    const first = await group.startWorker('first');
    await untilPrepared(first);
    await first.stop();

    // Without a worker the lane is filled, and no further.
    const one = await backfill();
    await waitUntil(
      () => group.queue.counts(),
      ({ prioritized }) => prioritized >= 1_000,
    );
    one.kill('SIGINT');
    expect((await one.exited).code).toBe(130);
    expect(summaryOf(one)).toMatchObject({ status: 'stopped', signed: 0, resume: expect.stringMatching(/--resume$/) });
    expect((await group.queue.counts()).prioritized).toBe(1_000);

    await Promise.all([group.startWorker('second'), group.startWorker('third'), group.startReceiver()]);
    const two = await backfill('--resume', '--wait');
    await untilQueued(two, 1_200);
    const pushed = await pushMany({ host, names: [live] });
    expect(await group.post({ registry: 'lab', ...partsOf(live) })).toBe(202);
    two.kill('SIGINT');
    expect((await two.exited).code).toBe(130);
    await waitUntil(
      () => signaturesOf(host, live, pushed),
      (count) => count === 1,
    );

    const three = await backfill('--resume', '--wait');
    await untilQueued(three, 1_500);
    three.kill('SIGKILL');
    await three.exited;

    const four = await backfill('--resume', '--wait');
    const { code } = await four.exited;
    expect(code, four.stderr.join('\n')).toBe(0);
    const summary = summaryOf(four);
    expect(summary).toMatchObject({ status: 'finished', failed: 0, pending: 0, waiting: 0, unread: 0 });
    expect(summary.signed + summary.skipped).toBe(summary.tags);
    // The walk may have come by the image of the live push. And at most the batch that was under way at the kill was
    // signed without being counted as queued.
    expect(summary.tags - wantedCount).toBeLessThanOrEqual(1);
    expect(wantedCount - summary.signed).toBeLessThanOrEqual(8);

    const wrong: string[] = [];
    await inParallel(digests.keys(), 16, async (name) => {
      const count = await signaturesOf(host, name, digests);
      if (count !== (isWanted(name) ? 1 : 0)) wrong.push(`${name}: ${count}`);
    });
    expect(wrong).toEqual([]);
    // The key was used once for each, too.
    const uses = await Promise.all(['first', 'second', 'third'].map((worker) => usesOfTheKey(group, worker)));
    expect(uses.flat().length).toBe(wantedCount + 1);
  },
);

function startBackfill(group: ServiceGroup, redisUrl: string, args: readonly string[]): Promise<RunningProcess> {
  return startAutosign({
    args: ['backfill', '--rules', group.rulesFile, ...args],
    env: { AUTOSIGN_REDIS_URL: redisUrl },
  });
}

async function untilPrepared(worker: Service): Promise<void> {
  await waitUntil(
    async () => (await (await fetch(`${worker.url}/readyz`)).json()) as { readonly preparing: readonly unknown[] },
    ({ preparing }) => preparing.length === 0,
  );
}

async function untilQueued(command: RunningProcess, count: number): Promise<void> {
  await command.waitForLine((line) => line.startsWith('{') && JSON.parse(line).queued >= count, timeoutMs);
}

function summaryOf({ stdout }: RunningProcess) {
  const summary = JSON.parse(stdout.at(-1) ?? '{}');
  expect(summary.step).toBe('summary');
  return summary as { readonly tags: number; readonly signed: number; readonly skipped: number };
}

async function signaturesOf(host: string, name: string, digests: ReadonlyMap<string, string>): Promise<number> {
  const answer = await fetch(`http://${host}/v2/${partsOf(name).repository}/referrers/${digests.get(name)}`);
  return ((await answer.json()) as { readonly manifests: readonly unknown[] }).manifests.length;
}

/** The lines that a worker wrote into its audit file before it used the key. */
async function usesOfTheKey(group: ServiceGroup, worker: string): Promise<readonly string[]> {
  const text = await readFile(join(group.directory, worker, 'audit.jsonl'), 'utf8');
  return text.split('\n').filter((line) => line.includes('"kind":"intent"'));
}
