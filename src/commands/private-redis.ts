import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutosignError } from '../domain/errors.ts';

/** A Redis of our own, reached by a Unix socket that only this user may open. */
export interface PrivateRedis {
  /** What ioredis takes in place of a URL: the path of the socket. */
  readonly redisUrl: string;
  stop(): Promise<void>;
}

const startTimeoutMs = 10_000;

/**
 * Starts `redis-server` with an append-only file below `directory`, so that the queue outlives a restart.
 * @throws AutosignError `settings-invalid` when it is not installed or does not start
 */
export async function startPrivateRedis(directory: string): Promise<PrivateRedis> {
  const data = join(directory, 'redis');
  await mkdir(data, { recursive: true });
  // A socket's path may have about 100 characters, so it does not go below the state directory.
  const socketDirectory = await mkdtemp(join(tmpdir(), 'autosign-redis-'));
  const socket = join(socketDirectory, 'redis.sock');
  const settings = {
    port: 0,
    unixsocket: socket,
    unixsocketperm: 700,
    dir: data,
    appendonly: 'yes',
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  const server = spawn(
    'redis-server',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      // A Ctrl-C in the terminal reaches the whole process group; Redis must outlive the worker that still needs it.
      detached: true,
    },
  );
  const cleanUp = () => rmSync(socketDirectory, { recursive: true, force: true });
  try {
    await ready(server);
  } catch (error) {
    server.kill('SIGKILL');
    cleanUp();
    throw error;
  }
  // At a second signal the process ends without `stop`.
  const endWithUs = () => {
    server.kill('SIGTERM');
    cleanUp();
  };
  process.once('exit', endWithUs);
  return {
    redisUrl: socket,
    stop: async () => {
      process.off('exit', endWithUs);
      if (server.exitCode === null && server.signalCode === null) {
        server.kill('SIGTERM');
        await once(server, 'exit');
      }
      cleanUp();
    },
  };
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown) => {
      clearTimeout(timer);
      const message = `The private Redis did not start: ${reason}. Install redis-server, or set AUTOSIGN_REDIS_URL.`;
      reject(new AutosignError('settings-invalid', message, { cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${startTimeoutMs} ms`), startTimeoutMs);
    server.once('error', (error) => fail('redis-server cannot be run', error));
    server.once('exit', (code) => fail(`it ended with code ${code}`));
    server.stdout?.on('data', (chunk: Buffer) => {
      if (!chunk.includes('eady to accept connections')) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
