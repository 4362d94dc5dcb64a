import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startRedis } from '../../../infra/processes/start-redis.ts';

const startRedisModule = join(import.meta.dirname, '../../../infra/processes/start-redis.ts');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-test-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('never evicts keys and listens on loopback alone', async () => {
  const redis = await startRedis({ appendOnly: false });
  const client = new Redis(redis.url);
  expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1']);
  client.disconnect();
  await redis.stop();
});

test('keeps acknowledged data over a restart in the same directory and on the same port', async () => {
  const first = await startRedis({ appendOnly: true, directory });
  await withClient(first.url, (client) => client.set('kept', 'yes'));
  await first.stop();
  const second = await startRedis({ appendOnly: true, directory, port: first.port });
  expect(second.url).toBe(first.url);
  expect(await withClient(second.url, (client) => client.get('kept'))).toBe('yes');
  await second.stop();
});

test('removes its temporary directory, and leaves one that was given', async () => {
  const before = await temporaryDirectories();
  const redis = await startRedis({ appendOnly: true });
  const [made] = (await temporaryDirectories()).filter((name) => !before.includes(name));
  await redis.stop();
  expect(made).toBeDefined();
  expect(await temporaryDirectories()).not.toContain(made);
  await (await startRedis({ appendOnly: true, directory })).stop();
  expect(await readdir(directory)).not.toEqual([]);
});

test('fails with the reason when the port it was given is taken', async () => {
  const redis = await startRedis({ appendOnly: false });
  await expect(startRedis({ appendOnly: false, port: redis.port })).rejects.toThrow('Address already in use');
  await redis.stop();
});

test('ends and leaves no directory when the process that started it crashes', async () => {
  const code = `
    import { startRedis } from ${JSON.stringify(startRedisModule)};
    const { url } = await startRedis({ appendOnly: true });
    process.stdout.write(url, () => { throw new Error('crash'); });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [url] = await once(parent.stdout, 'data');
  await once(parent, 'close');
  expect(await temporaryDirectories(parent.pid)).toEqual([]);
  await expect.poll(() => isListening(String(url))).toBe(false);
});

// Only those of this process: other test files start a Redis of their own at the same time.
async function temporaryDirectories(pid = process.pid): Promise<string[]> {
  const names = await readdir(tmpdir());
  return names.filter((name) => name.startsWith(`autosign-redis-${pid}-`));
}

function isListening(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function withClient<Result>(url: string, use: (client: Redis) => Promise<Result>): Promise<Result> {
  const client = new Redis(url);
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}
