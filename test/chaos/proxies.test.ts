import { createServer, type Server } from 'node:http';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { corrupted, type Fault, throttled, truncatedTo } from './fault.ts';
import { type HttpProxy, startHttpProxy } from './http-proxy.ts';
import { closeServer, listenOnLoopback } from './listen.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

describe('the HTTP proxy', () => {
  const body = 'the target answers';
  let asked: string[] = [];
  let target: Server;
  let proxy: HttpProxy;
  beforeAll(async () => {
    target = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.host}`);
      request.resume().once('end', () => response.writeHead(201, { 'x-from': 'target' }).end(body));
    });
    proxy = await startHttpProxy(`127.0.0.1:${await listenOnLoopback(target)}`);
  });
  afterEach(() => {
    asked = [];
    proxy.setPolicy(undefined);
  });
  afterAll(async () => {
    await proxy?.stop();
    await closeServer(target);
  });

  const ask = (fault?: Fault) => {
    proxy.setPolicy(fault && (() => fault));
    return fetch(`${proxy.url}/path?query`, { method: 'PUT', body: 'sent' });
  };

  test('passes request and answer on, and keeps the Host header', async () => {
    const answer = await ask();

    expect([answer.status, answer.headers.get('x-from'), await answer.text()]).toEqual([201, 'target', body]);
    expect(asked).toEqual([`PUT /path?query ${proxy.host}`]);
    expect(proxy.requests.at(-1)).toMatchObject({ method: 'PUT', path: '/path?query', status: 201, fault: undefined });
  });

  test('cuts before the target hears, after it, within the headers and within the body', async () => {
    await expect(ask({ kind: 'cut', at: 'request' })).rejects.toThrow();
    expect(asked).toEqual([]);
    await expect(ask({ kind: 'cut', at: 'request', afterTarget: true })).rejects.toThrow();
    await expect(ask({ kind: 'cut', at: 'headers' })).rejects.toThrow();
    await expect(ask({ kind: 'cut', at: 'body', afterBytes: 3 }).then((answer) => answer.text())).rejects.toThrow();
    expect(asked).toHaveLength(3);
  });

  test('answers in place of the target, or after it has done its work', async () => {
    const answer = await ask(throttled(7));
    expect([answer.status, answer.headers.get('retry-after'), asked]).toEqual([429, '7', []]);

    expect((await ask({ kind: 'answer', status: 500, afterTarget: true })).status).toBe(500);
    expect(asked).toHaveLength(1);
  });

  test('changes and shortens bodies', async () => {
    const changed = await (await ask(corrupted)).text();
    expect([changed.length, changed === body]).toEqual([body.length, false]);
    expect(await (await ask(truncatedTo(3))).text()).toBe('the');
  });

  test('lets the test act between the answer of the target and the client', async () => {
    const order: string[] = [];
    const answer = ask({ kind: 'answered', call: () => void order.push(`target asked ${asked.length}`) });
    await answer.then(() => order.push('client answered'));

    expect(order).toEqual(['target asked 1', 'client answered']);
  });

  test('delays the request or the answer', async () => {
    const before = performance.now();
    await ask({ kind: 'delay', beforeRequestMs: 60, beforeAnswerMs: 60 });

    expect(performance.now() - before).toBeGreaterThanOrEqual(115);
  });
});

describe('the TCP proxy', () => {
  let proxy: TcpProxy;
  let redis: Redis;
  beforeAll(async () => {
    proxy = await startTcpProxy(new URL(inject('redisUrl')).host);
    redis = new Redis(`redis://${proxy.host}`, {
      commandTimeout: 300,
      maxRetriesPerRequest: 0,
      retryStrategy: () => 20,
    });
    redis.on('error', () => undefined);
  });
  afterEach(() => proxy.setMode('pass'));
  afterAll(async () => {
    redis?.disconnect();
    await proxy?.stop();
  });

  const answers = () => redis.ping().then(String, () => 'no answer');

  test('holds everything while it is frozen, and goes on where it stopped', async () => {
    expect(await answers()).toBe('PONG');
    proxy.setMode('freeze');
    expect(await answers()).toBe('no answer');
    proxy.setMode('pass');
    expect(await answers()).toBe('PONG');
  });

  test('drops old and new connections while it refuses', async () => {
    proxy.setMode('refuse');
    expect(await answers()).toBe('no answer');
    proxy.setMode('pass');
    await new Promise((resolve) => redis.once('ready', resolve));
    expect(await answers()).toBe('PONG');
  });

  test('cuts what is open, and serves the next connection', async () => {
    const again = new Promise((resolve) => redis.once('ready', resolve));
    proxy.cutAll();
    await again;
    expect(await answers()).toBe('PONG');
  });
});
