import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit, removeDirectory } from './die-with-parent.ts';
import { startOnFreePort } from './free-port.ts';
import { type RunningProcess, startProcess } from './start-process.ts';

export interface RedisOptions {
  /** Keeps its data here; created by the caller, left in place. Absent: a temporary one that `stop` removes. */
  readonly directory?: string;
  /** Whether every write is appended to a file at once (`appendfsync everysec` is Redis' own default). */
  readonly appendOnly: boolean;
  /** Absent: a free one. Given: this one, for a restart under the same address. */
  readonly port?: number;
}

export interface RunningRedis {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  readonly process: RunningProcess;
  stop(): Promise<void>;
}

// A cold start with an empty data directory takes tens of milliseconds; a loaded machine may need seconds.
const startTimeoutMs = 20_000;

/** Starts a private `redis-server` on 127.0.0.1 that never evicts keys, as a job queue needs it. */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), `autosign-redis-${process.pid}-`));
  const temporary = options.directory === undefined;
  if (temporary) removeAtExit(directory);
  const start = (port: number) => startOnPort(port, directory, options.appendOnly);
  try {
    const { started, port } = await (options.port === undefined ? startOnFreePort(start) : start(options.port));
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      process: started,
      stop: async () => {
        await started.stop();
        if (temporary) removeDirectory(directory);
      },
    };
  } catch (error) {
    if (temporary) removeDirectory(directory);
    throw error;
  }
}

async function startOnPort(port: number, directory: string, appendOnly: boolean) {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    'maxmemory-policy': 'noeviction',
    appendonly: appendOnly ? 'yes' : 'no',
    // No snapshots: durability is the append-only file's, and a fork under a test's load only costs time.
    save: '',
    daemonize: 'no',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const ready = { line: (line: string) => line.includes('Ready to accept connections') };
  const started = await startProcess({ command: 'redis-server', args, ready, timeoutMs: startTimeoutMs });
  return { started, port };
}
