import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { type RunningRedisCluster, startRedisCluster } from '../../../infra/processes/start-redis-cluster.ts';
import { redisErrorLog } from '../../../src/commands/redis-error-log.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import type { SignQueue } from '../../../src/queue/sign-queue.ts';
import { waitUntil } from '../../e2e/wait-until.ts';
import { done } from '../worker/open-queue.ts';
import { numbersIn, openQueues, pushOf } from './open-queues.ts';

// What leaves 50 ms of the second within which the receiver answers.
const confirmMs = 950;
const password = 'the-password-of-the-cluster';
// The second, and what this machine's other work may add to a timer.
const answeredMs = 1_500;

async function expectRefused(add: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await expect(add()).rejects.toMatchObject({ code: 'redis-unreachable' });
  expect(performance.now() - startedAt).toBeLessThan(answeredMs);
}

async function untilAdded(queue: SignQueue, number: number): Promise<void> {
  await waitUntil(
    () => queue.add(pushOf(number)).catch(() => undefined),
    (added) => added !== undefined,
  );
}

async function start(): Promise<RunningRedisCluster> {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.stop());
  return cluster;
}

describe('four queues on a cluster', () => {
  let cluster: RunningRedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());

  test('are on several primaries, and are worked on by one process, each job once', async () => {
    const { openProcess, redis, prefixOf } = openQueues(cluster.url, '{autosign-0}');
    const { queue, queues, startWorkers, depths } = openProcess(4);
    await queue.check();
    const slots = await Promise.all([0, 1, 2, 3].map((index) => redis.cluster('KEYSLOT', prefixOf(index))));
    // A third of 16,384 each, as start-redis-cluster.ts gives them out.
    expect(new Set(slots.map((slot) => Math.floor(Number(slot) / 5_462))).size).toBe(3);
    const ran: string[] = [];
    startWorkers(async (data) => {
      ran.push((data as SignJob).repository);
      return done;
    });
    const numbers = [0, 1, 2, 3].flatMap((index) => numbersIn(queues, index, 10));
    await Promise.all(numbers.map((number) => queue.add(pushOf(number))));
    await waitUntil(
      async () => ran.length,
      (count) => count >= numbers.length,
    );
    expect(new Set(ran).size).toBe(numbers.length);
    expect(ran).toHaveLength(numbers.length);
    expect(await queue.check()).toEqual({ reachable: true, noeviction: true });
    expect((await depths.read()).deadLetters).toBe(0);
  });

  test('a primary that would drop keys is reported', async () => {
    const { openProcess, redis } = openQueues(cluster.url);
    const { queue } = openProcess(1);
    expect(await queue.check()).toEqual({ reachable: true, noeviction: true });
    const primaries = 'nodes' in redis ? redis.nodes('master') : [];
    await primaries.at(-1)?.config('SET', 'maxmemory-policy', 'allkeys-lru');
    onTestFinished(async () => {
      await primaries.at(-1)?.config('SET', 'maxmemory-policy', 'noeviction');
    });
    expect(await queue.check()).toEqual({ reachable: true, noeviction: false });
  });
});

test('a login holds for every node of a cluster, and a wrong one is refused and not logged', async () => {
  const cluster = await start();
  for (const { port } of cluster.nodes) {
    const node = new Redis(port);
    await node.config('SET', 'masterauth', password);
    await node.config('SET', 'requirepass', password);
    node.disconnect();
  }
  const urlWith = (secret: string) => cluster.url.replace('//', `//:${secret}@`);
  const right = openQueues(urlWith(password)).openProcess(4, confirmMs);
  const numbers = [0, 1, 2, 3].flatMap((index) => numbersIn(right.queues, index, 1));
  await waitUntil(
    () => right.queue.check(),
    ({ reachable }) => reachable,
  );
  for (const number of numbers) await right.queue.add(pushOf(number));
  const lines: string[] = [];
  const logger = createLogger({ level: 'trace', destination: { write: (line) => lines.push(line) } });
  const wrong = openQueues(urlWith('hunter2'), undefined, redisErrorLog(logger)).openProcess(4, confirmMs);
  await expectRefused(() => wrong.queue.add(pushOf(1)));
  expect(lines.join('')).toMatch(/WRONGPASS|NOAUTH/);
  expect(lines.join('')).not.toContain('hunter2');
});

describe('a push is refused within a second, and taken when the cluster is back', () => {
  test('when none of its nodes was ever there', async () => {
    const url = `redis://127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`;
    const { queue } = openQueues(url).openProcess(4, confirmMs);
    await expectRefused(() => queue.add(pushOf(1)));
    expect(await queue.check()).toEqual({ reachable: false, noeviction: false });
    await expectRefused(() => queue.add(pushOf(2)));
  });

  test('when all of its nodes are frozen at the start', async () => {
    const cluster = await start();
    for (const { process } of cluster.nodes) process.kill('SIGSTOP');
    onTestFinished(() => {
      for (const { process } of cluster.nodes) process.kill('SIGCONT');
    });
    const { openProcess, redis } = openQueues(cluster.url);
    const { queue } = openProcess(4, confirmMs);
    await expectRefused(() => queue.add(pushOf(1)));
    const back = redis.status === 'ready' ? Promise.resolve() : once(redis, 'ready');
    for (const { process } of cluster.nodes) process.kill('SIGCONT');
    await back;
    await untilAdded(queue, 1);
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)('when a primary meets %s; its replica takes over', async (signal) => {
    const cluster = await start();
    const { openProcess } = openQueues(cluster.url, '{autosign-0}');
    const { queue, queues, startWorkers } = openProcess(4, confirmMs);
    const ran: string[] = [];
    startWorkers(async (data) => {
      ran.push((data as SignJob).repository);
      return done;
    });
    // Queue 3 is on the third primary: see the test above.
    const [first = 0, second = 0] = numbersIn(queues, 3, 2);
    // Six servers and as many connections have only begun; a busy machine takes longer than the second.
    await untilAdded(queue, first);
    await waitUntil(
      async () => ran.length,
      (count) => count >= 1,
    );
    cluster.nodes[2]?.process.kill(signal);
    onTestFinished(() => cluster.nodes[2]?.process.kill('SIGCONT'));
    // Both at once: two seconds later the replica may have taken over.
    const [checked] = await Promise.all([queue.check(), expectRefused(() => queue.add(pushOf(second)))]);
    expect(checked).toMatchObject({ reachable: false });
    await untilAdded(queue, second);
    await waitUntil(
      async () => ran,
      (names) => names.includes(`prod/app-${second}`),
    );
    expect(await queue.check()).toEqual({ reachable: true, noeviction: true });
  });
});
