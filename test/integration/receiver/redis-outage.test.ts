import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { type RunningRedis, startRedis } from '../../../infra/processes/start-redis.ts';
import { openReceiver, pushBody, type TestReceiver, tokens } from './receiver-setup.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(port?: number): Promise<RunningRedis> {
  const redis = await startRedis({ appendOnly: false, ...(port !== undefined && { port }) });
  cleanups.push(() => redis.stop());
  return redis;
}

async function open(redisUrl: string): Promise<TestReceiver> {
  const receiver = await openReceiver({ redisUrl });
  cleanups.push(() => receiver.close());
  return receiver;
}

/** The answer to one push, and how long it took in milliseconds. */
async function push(receiver: TestReceiver, tag = 'v1') {
  const startedAt = performance.now();
  const answer = await receiver.app.inject({
    method: 'POST',
    url: `/webhooks/acr/prod/${tokens.prod}`,
    payload: pushBody({ tag }),
  });
  return { answer, tookMs: performance.now() - startedAt };
}

async function expectRefused(receiver: TestReceiver): Promise<void> {
  const { answer, tookMs } = await push(receiver);
  expect(answer.statusCode).toBe(503);
  expect(answer.headers['retry-after']).toBe('5');
  expect(receiver.unconfirmed.at(-1)).toBe('prod');
  // The second of the promise, and what this machine's other work may add to a timer.
  expect(tookMs).toBeLessThan(1_500);
  const ready = await receiver.app.inject('/readyz');
  expect(ready.statusCode).toBe(503);
  expect(ready.json()).toMatchObject({ ready: false, redis: { reachable: false, noeviction: false } });
}

/** The server's own process: what started it may be a parent that passes signals on. */
async function serverPid(url: string): Promise<number> {
  const redis = new Redis(url);
  try {
    return Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
  } finally {
    redis.disconnect();
  }
}

describe('without Redis a push is answered with 503 within a second, and served when Redis is back', () => {
  test('when it was never up', async () => {
    const port = await freePort();
    const receiver = await open(`redis://127.0.0.1:${port}`);
    await expectRefused(receiver);
    await expectRefused(receiver);
    const back = new Promise((resolve) => receiver.redis.once('ready', resolve));
    await start(port);
    await back;
    expect((await push(receiver)).answer.statusCode).toBe(202);
    expect((await receiver.app.inject('/readyz')).statusCode).toBe(200);
  });

  test('when it went away', async () => {
    const redis = await start();
    const receiver = await open(redis.url);
    expect((await push(receiver)).answer.statusCode).toBe(202);
    const gone = new Promise((resolve) => receiver.redis.once('close', resolve));
    await redis.stop();
    await gone;
    await expectRefused(receiver);
    const back = new Promise((resolve) => receiver.redis.once('ready', resolve));
    await start(redis.port);
    await back;
    expect((await push(receiver)).answer.statusCode).toBe(202);
  });

  test('when it is frozen', async () => {
    const redis = await start();
    const receiver = await open(redis.url);
    expect((await push(receiver)).answer.statusCode).toBe(202);
    const pid = await serverPid(redis.url);
    process.kill(pid, 'SIGSTOP');
    try {
      await expectRefused(receiver);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await receiver.redis.ping();
    expect((await push(receiver)).answer.statusCode).toBe(202);
  });

  test('when it was frozen from the start', async () => {
    const redis = await start();
    const pid = await serverPid(redis.url);
    process.kill(pid, 'SIGSTOP');
    let receiver: TestReceiver;
    try {
      receiver = await open(redis.url);
      await expectRefused(receiver);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    if (receiver.redis.status !== 'ready') await new Promise((resolve) => receiver.redis.once('ready', resolve));
    expect((await push(receiver)).answer.statusCode).toBe(202);
  });

  test('a push that comes while the connection is made again is served, not refused', async () => {
    const redis = await start();
    const receiver = await open(redis.url);
    await push(receiver);
    const gone = new Promise((resolve) => receiver.redis.once('close', resolve));
    receiver.redis.disconnect(true);
    await gone;
    expect((await push(receiver, 'v2')).answer.statusCode).toBe(202);
  });

  test('pushes that were refused are not sent afterwards', async () => {
    const port = await freePort();
    const receiver = await open(`redis://127.0.0.1:${port}`);
    const refused = await Promise.all(['v1', 'v2', 'v3'].map((tag) => push(receiver, tag)));
    expect(refused.map(({ answer }) => answer.statusCode)).toEqual([503, 503, 503]);
    const back = new Promise((resolve) => receiver.redis.once('ready', resolve));
    await start(port);
    await back;
    await push(receiver, 'v4');
    expect(await receiver.redis.llen(`${receiver.prefix}:sign:wait`)).toBe(1);
    expect(await receiver.redis.hkeys(`${receiver.prefix}:pushed:prod`)).toEqual(['prod/app:v4']);
  });
});

test('a Redis that evicts keys is not ready', async () => {
  const redis = await start();
  const receiver = await open(redis.url);
  await push(receiver);
  await receiver.redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const ready = await receiver.app.inject('/readyz');
  expect(ready.statusCode).toBe(503);
  expect(ready.json()).toMatchObject({ ready: false, redis: { reachable: true, noeviction: false } });
});

test('a Redis that is full answers a push with 503', async () => {
  const redis = await start();
  const receiver = await open(redis.url);
  await push(receiver);
  expect(receiver.unconfirmed).toEqual([]);
  await receiver.redis.config('SET', 'maxmemory', '1');
  expect((await push(receiver, 'v2')).answer.statusCode).toBe(503);
  expect(receiver.unconfirmed).toEqual(['prod']);
});

test('a push whose mark is set and whose job is not added keeps its mark, and is told of', async () => {
  const redis = await start();
  const receiver = await open(redis.url);
  await push(receiver);
  // What BullMQ reads before it adds: a mark can be set, a job cannot be added.
  await receiver.redis.set(`${receiver.prefix}:sign:id`, 'no number');
  expect((await push(receiver, 'v2')).answer.statusCode).toBe(503);
  expect(receiver.unconfirmed).toEqual(['prod']);
  const image = { registry: 'prod', repository: 'prod/app', tag: 'v2' };
  expect(await receiver.marks.read(image)).toBeDefined();
});
