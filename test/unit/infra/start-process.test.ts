import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort, startOnFreePort } from '../../../infra/processes/free-port.ts';
import { startProcess } from '../../../infra/processes/start-process.ts';

const timeoutMs = 20_000;
const startProcessModule = join(import.meta.dirname, '../../../infra/processes/start-process.ts');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-test-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('start', () => {
  test('resolves at the line that says ready', async () => {
    const started = await startNode(`console.log('begin'); setTimeout(() => console.log('ready'), 50); ${stayAlive}`);
    expect(started.stdout).toEqual(['begin', 'ready']);
    await started.stop();
  });

  test('resolves when the URL answers', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/`;
    const code = `require('http').createServer((q, s) => s.end('up')).listen(${port}, '127.0.0.1')`;
    const started = await startProcess({ command: process.execPath, args: ['-e', code], ready: { url }, timeoutMs });
    expect(await (await fetch(url)).text()).toBe('up');
    await started.stop();
  });

  test('fails with the output when the process ends before it is ready', async () => {
    const started = startNode(`console.error('the port is taken'); process.exit(3)`);
    await expect(started).rejects.toThrow(/ended \(code 3\)[\s\S]*the port is taken/);
  });

  test('fails with the output, and leaves no process, when it is not ready in time', async () => {
    const code = `console.log('pid ' + process.pid); ${stayAlive}`;
    const options = { command: process.execPath, args: ['-e', code], ready: { line: () => false } };
    const failure = await startProcess({ ...options, timeoutMs: 1_000 }).catch((error: Error) => error.message);
    expect(failure).toContain('did not write the expected line in 1000 ms');
    expect(isRunning(Number(/pid (\d+)/.exec(String(failure))?.[1]))).toBe(false);
  });

  test('fails when the URL never answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}/`;
    const options = { command: process.execPath, args: ['-e', stayAlive], ready: { url }, timeoutMs: 300 };
    await expect(startProcess(options)).rejects.toThrow('no answer in 300 ms');
  });

  test('fails when the command does not exist', async () => {
    const started = startProcess({ command: '/nowhere/program', ready: { line: () => true }, timeoutMs });
    await expect(started).rejects.toThrow('/nowhere/program is not there');
  });

  test('passes only what it is told of the environment', async () => {
    process.env['AUTOSIGN_TEST_SECRET'] = 'secret';
    const code = `console.log(JSON.stringify(process.env))`;
    const options = { command: process.execPath, args: ['-e', code], env: { GIVEN: 'yes' }, timeoutMs };
    const started = await startProcess(options);
    await started.exited;
    delete process.env['AUTOSIGN_TEST_SECRET'];
    expect(JSON.parse(started.stdout.join(''))).toMatchObject({ GIVEN: 'yes', PATH: process.env['PATH'] });
    expect(started.stdout.join('')).not.toContain('secret');
  });

  test('appends all output to the log file', async () => {
    const logFile = join(directory, 'process.log');
    await writeFile(logFile, 'before\n');
    const args = ['-e', `console.log('out'); console.error('err')`];
    const started = await startProcess({ command: process.execPath, args, logFile, timeoutMs });
    await started.exited;
    await expect.poll(() => readFile(logFile, 'utf8')).toMatch(/^before\n(out\nerr|err\nout)\n$/);
  });
});

describe('stop', () => {
  test('lets the process end by itself on SIGTERM', async () => {
    const started = await startNode(`process.on('SIGTERM', () => process.exit(7)); console.log('ready'); ${stayAlive}`);
    expect(await started.stop()).toEqual({ code: 7, signal: null });
    expect(await started.stop()).toEqual({ code: 7, signal: null });
  });

  test('kills a process, and what it started, that does not end in time', async () => {
    const inner = `process.on('SIGTERM', () => {}); console.log('inner ' + process.pid); ${stayAlive}`;
    const started = await startNode(
      `process.on('SIGTERM', () => {});
       require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], { stdio: 'inherit' });
       console.log('ready'); ${stayAlive}`,
    );
    const line = await started.waitForLine((text) => text.startsWith('inner'), timeoutMs);
    expect(await started.stop(100)).toEqual({ code: null, signal: 'SIGKILL' });
    await expect.poll(() => isRunning(Number(line.split(' ')[1]))).toBe(false);
  });
});

describe('a process dies with its parent', () => {
  test.for(['process.exit(0)', 'process.kill(process.pid, "SIGKILL")', 'throw new Error("crash")'])(
    '%s',
    async (end) => {
      const child = `console.log('ready'); ${stayAlive}`;
      const code = `
      import { startProcess } from ${JSON.stringify(startProcessModule)};
      const ready = { line: () => true };
      const child = await startProcess({ command: process.execPath, args: ['-e', ${JSON.stringify(child)}], ready, timeoutMs: ${timeoutMs} });
      process.stdout.write(String(child.pid), () => { ${end}; });`;
      const parent = spawn(process.execPath, ['--input-type=module', '-e', code], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const [pid] = await once(parent.stdout, 'data');
      await once(parent, 'close');
      expect(Number(pid)).toBeGreaterThan(1);
      await expect.poll(() => isRunning(Number(pid))).toBe(false);
    },
  );
});

describe('startOnFreePort', () => {
  test('tries again with another port when the first was taken in between', async () => {
    const ports: number[] = [];
    await startOnFreePort(async (port) => {
      ports.push(port);
      if (ports.length < 3) throw new Error('bind: Address already in use');
    });
    expect(new Set(ports).size).toBe(3);
  });

  test('gives up after three tries, and at once for another reason', async () => {
    const tries: string[] = [];
    const start = (reason: string) =>
      startOnFreePort(async () => {
        tries.push(reason);
        throw new Error(reason);
      });
    await expect(start('Address already in use')).rejects.toThrow('in use');
    await expect(start('no memory')).rejects.toThrow('no memory');
    expect(tries).toHaveLength(4);
  });

  test('gives a port that can be listened on', async () => {
    const server = createServer().listen(await freePort(), '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });
});

const stayAlive = 'setInterval(() => {}, 1000)';

function startNode(code: string) {
  const ready = { line: (line: string) => line === 'ready' };
  return startProcess({ command: process.execPath, args: ['-e', code], ready, timeoutMs });
}

// One that has ended but that nobody reaped (proc(5): state Z) is not running any more.
function isRunning(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
