import { Agent } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { exchangeHttp } from '../../../src/registry/http-exchange.ts';
import { type Script, startScriptedServer } from './scripted-server.ts';

const path = '/v2/';
const timeoutMs = 5_000;
const readOn = () => true;

async function startServer(script: Script) {
  const server = await startScriptedServer(script);
  const agent = new Agent({ connections: 1 });
  onTestFinished(async () => {
    await agent.destroy();
    await server[Symbol.asyncDispose]();
  });
  return { server, agent, request: { origin: server.origin, path, method: 'GET' as const } };
}

test('gives status, headers and the whole body', async () => {
  const { agent, request } = await startServer((_, response) => {
    response.writeHead(201, { 'x-one': '1' });
    response.write('in two ');
    setImmediate(() => response.end('parts'));
    return undefined;
  });
  const answer = await exchangeHttp({ agent, request, timeoutMs, readOn });
  expect(answer).toMatchObject({ status: 201, headers: { 'x-one': '1' } });
  expect(Buffer.from(answer.bytes).toString()).toBe('in two parts');
});

test('passes over what is announced before the answer', async () => {
  const { agent, request } = await startServer((_, response) => {
    response.writeProcessing();
    return { status: 404, body: 'none' };
  });
  const answer = await exchangeHttp({ agent, request, timeoutMs, readOn });
  expect(answer).toMatchObject({ status: 404, bytes: Buffer.from('none') });
});

test('leaves the rest of a body that is not wanted', async () => {
  const { agent, request } = await startServer((_, response) => void response.writeHead(400).write('x'.repeat(100)));
  const answer = await exchangeHttp({ agent, request, timeoutMs, readOn: (_, size) => size < 100 });
  expect(answer).toMatchObject({ status: 400, bytes: new Uint8Array() });
});

test('ends at once, with the reason of the signal, while it waits for the answer', async () => {
  const stop = new AbortController();
  const { agent, request } = await startServer((_, response) => {
    response.writeHead(200).write('x');
    stop.abort(new Error('enough'));
    return undefined;
  });
  await expect(exchangeHttp({ agent, request, timeoutMs, readOn, signal: stop.signal })).rejects.toThrow('enough');
});

test('sends nothing when the signal comes while it waits for a connection', async () => {
  const stop = new AbortController();
  const { agent, request, server } = await startServer((_, response) => {
    stop.abort(new Error('enough'));
    response.end('first');
    return undefined;
  });
  const first = exchangeHttp({ agent, request, timeoutMs, readOn });
  const second = exchangeHttp({ agent, request, timeoutMs, readOn, signal: stop.signal });
  await expect(second).rejects.toThrow('enough');
  await first;
  // The one connection still serves: the next request is the second that arrives.
  await exchangeHttp({ agent, request: { ...request, path: '/v2/third' }, timeoutMs, readOn });
  expect(server.received.map((received) => received.path)).toEqual([path, '/v2/third']);
});

test('ends when its time is over, also while it waits for a connection', async () => {
  const { agent, request } = await startServer(() => undefined);
  const waiting = exchangeHttp({ agent, request, timeoutMs: 200, readOn });
  const queued = exchangeHttp({ agent, request, timeoutMs: 100, readOn });
  await expect(queued).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(waiting).rejects.toMatchObject({ name: 'TimeoutError' });
});
