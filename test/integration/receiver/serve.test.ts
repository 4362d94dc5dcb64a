import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { freePort } from '../../../infra/processes/free-port.ts';
import { type RunningProcess, startProcess } from '../../../infra/processes/start-process.ts';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { signQueuePrefix } from '../../../src/queue/job-options.ts';
import { pushBody, rulesText, tokens } from './receiver-setup.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const timeoutMs = 30_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Served {
  readonly process: RunningProcess;
  readonly rulesFile: string;
}

/** Starts `autosign serve` on a free port with nothing in its environment but these settings. */
async function serve(settings: Record<string, string> = {}, rules = rulesText()): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-serve-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const rulesFile = join(directory, 'rules.yaml');
  writeFileSync(rulesFile, rules);
  const env = {
    AUTOSIGN_RULES: rulesFile,
    AUTOSIGN_REDIS_URL: inject('redisUrl'),
    AUTOSIGN_STATE_DIR: join(directory, 'state'),
    AUTOSIGN_PORT: '0',
    AUTOSIGN_RULES_INTERVAL: '1s',
    ...settings,
  };
  const started = await startProcess({ command: process.execPath, args: [main, 'serve'], env, timeoutMs });
  cleanups.push(() => started.stop());
  return { process: started, rulesFile };
}

async function addressOf({ process }: Served): Promise<string> {
  const line = await process.waitForLine((text) => text.includes('receiver listens'), timeoutMs);
  return JSON.parse(line).address;
}

function push(address: string, token: string, tag: string): Promise<Response> {
  return fetch(`${address}/webhooks/acr/prod/${token}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(pushBody({ name: `serve-${process.pid}`, tag })),
  });
}

/** A request whose body has only begun, so that it is under way until the rest is sent. */
async function beginPush(address: string): Promise<{ socket: Socket; rest: string }> {
  const body = JSON.stringify(pushBody({ tag: 'latest' }));
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(address).port) });
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(
    `POST /webhooks/acr/prod/${tokens.prod} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  );
  // "100 Continue": the server has read the head.
  await once(socket, 'data');
  socket.write(body.slice(0, 10));
  return { socket, rest: body.slice(10) };
}

const output = ({ process }: Served) => [...process.stdout, ...process.stderr].join('\n');

describe('autosign serve', () => {
  test('says where it listens, takes pushes, and ends with 0 on SIGTERM', async () => {
    // The queue's prefix is fixed, so this one wants a Redis of its own.
    const { url, stop } = await startRedis({ appendOnly: false });
    cleanups.push(stop);
    const served = await serve({ AUTOSIGN_REDIS_URL: url });
    const address = await addressOf(served);
    await served.process.waitForLine((line) => line.includes('Redis is connected'), timeoutMs);
    const answer = await push(address, tokens.prod, 'v1');
    expect(answer.status).toBe(202);
    const { job } = (await answer.json()) as { job: string };
    const redis = new Redis(url);
    cleanups.push(() => redis.disconnect());
    expect(await redis.hget(`${signQueuePrefix}:sign:${job}`, 'data')).toContain(`serve-${process.pid}`);
    expect(await served.process.stop()).toEqual({ code: 0, signal: null });
    expect(output(served)).not.toContain(tokens.prod);
  });

  test('needs neither Redis, nor key files, nor the password of a login to start', async () => {
    const port = await freePort();
    const login = 'login: { username: robot, passwordEnv: LAB_PASSWORD }, ';
    const rules = rulesText().replace('host: quiet.example.com, ', (text) => text + login);
    expect(rules).toContain('LAB_PASSWORD');
    const served = await serve({ AUTOSIGN_REDIS_URL: `redis://:hunter2@127.0.0.1:${port}` }, rules);
    const address = await addressOf(served);
    const ready = await fetch(`${address}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ redis: { reachable: false }, rules: { loaded: true } });
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
    expect((await push(address, tokens.prod, 'v1')).status).toBe(503);
    expect(await served.process.stop()).toEqual({ code: 0, signal: null });
    expect(output(served)).toContain('Redis is not reachable');
    expect(output(served)).not.toContain('hunter2');
  });

  test('takes a changed rules file over and keeps the last good one', async () => {
    const served = await serve();
    const address = await addressOf(served);
    const loggedTimes = (text: string) => served.process.stdout.filter((line) => line.includes(text)).length;
    expect(loggedTimes('rules in use')).toBe(1);
    writeFileSync(served.rulesFile, rulesText(['rotated']));
    await served.process.waitForLine(() => loggedTimes('rules in use') === 2, timeoutMs);
    expect((await push(address, 'rotated', 'latest')).status).toBe(202);
    expect((await push(address, tokens.prod, 'latest')).status).toBe(401);
    writeFileSync(served.rulesFile, 'version: 1\nrules: 7\n');
    await served.process.waitForLine((line) => line.includes('rules refused'), timeoutMs);
    expect((await push(address, 'rotated', 'latest')).status).toBe(202);
    const ready = (await (await fetch(`${address}/readyz`)).json()) as { rules: { refused: { at: string[] } } };
    expect(ready.rules.refused.at.join()).toMatch(/^rules\.yaml:\d+/);
  });

  test('answers what is under way before it ends', async () => {
    const served = await serve();
    const { socket, rest } = await beginPush(await addressOf(served));
    served.process.kill('SIGTERM');
    await served.process.waitForLine((line) => line.includes('"stopping"'), timeoutMs);
    socket.write(rest);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 202 /);
    // So that the connection, kept for a next request, does not hold up the end.
    expect(String(answer)).toMatch(/^connection: close\r$/im);
    expect(await served.process.exited).toEqual({ code: 0, signal: null });
  });

  test('ends at once with 1 on a second signal', async () => {
    const served = await serve();
    await beginPush(await addressOf(served));
    served.process.kill('SIGTERM');
    await served.process.waitForLine((line) => line.includes('"stopping"'), timeoutMs);
    served.process.kill('SIGINT');
    expect(await served.process.exited).toEqual({ code: 1, signal: null });
    expect(output(served)).toContain('second signal');
  });

  test('ends with 1 when what is under way does not end in time', async () => {
    const served = await serve({ AUTOSIGN_SHUTDOWN_TIMEOUT: '1s' });
    await beginPush(await addressOf(served));
    served.process.kill('SIGINT');
    expect(await served.process.exited).toEqual({ code: 1, signal: null });
    expect(output(served)).toContain('AUTOSIGN_SHUTDOWN_TIMEOUT is over');
  });
});

describe('autosign serve refuses to start with exit code 2', () => {
  test('and names every wrong setting', async () => {
    const served = await serve({ AUTOSIGN_RULES: '', AUTOSIGN_REDIS_URL: 'http://u:hunter2@x', AUTOSIGN_PORTS: '1' });
    expect(await served.process.exited).toEqual({ code: 2, signal: null });
    for (const name of ['AUTOSIGN_RULES: ', 'AUTOSIGN_REDIS_URL: ', 'did you mean AUTOSIGN_PORT?']) {
      expect(output(served)).toContain(name);
    }
    expect(output(served)).not.toContain('hunter2');
  });

  test('and names file and line of wrong rules', async () => {
    const served = await serve({}, 'version: 1\nrules: 7\n');
    expect(await served.process.exited).toEqual({ code: 2, signal: null });
    expect(output(served)).toMatch(/rules\.yaml:2: rules: /);
  });

  test('and names the address that somebody else listens on', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    cleanups.push(() => other.close());
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const served = await serve({ AUTOSIGN_PORT: port });
    expect(await served.process.exited).toEqual({ code: 2, signal: null });
    expect(output(served)).toContain(`cannot listen on 127.0.0.1 port ${port} (EADDRINUSE)`);
  });
});
