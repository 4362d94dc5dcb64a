import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findProgram } from '../../infra/processes/find-program.ts';
import { type RunningProcess, startProcess } from '../../infra/processes/start-process.ts';
import { processesWithin } from './process-table.ts';

const project = join(import.meta.dirname, '../..');
const main = join(project, 'infra/demo/main.ts');
// The demo's own limit is a minute.
const timeoutMs = 60_000;
const npmSettings = { npm_config_update_notifier: 'false', npm_config_loglevel: 'error' };

interface Demo {
  readonly process: RunningProcess;
  readonly output: () => string;
  /** Where it may leave something. */
  readonly temporary: string;
}

async function start(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Demo> {
  const temporary = mkdtempSync(join(tmpdir(), 'autosign-demo-test-'));
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }));
  const process = await startProcess({
    command,
    args,
    env: { TMPDIR: temporary, ...env },
    directory: project,
    timeoutMs,
  });
  onTestFinished(async () => void (await process.stop()));
  return { process, temporary, output: () => [...process.stdout, ...process.stderr].join('\n') };
}

function expectNothingLeft({ temporary }: Demo): void {
  // Node keeps what it has compiled (module.enableCompileCache), which npm switches on.
  expect(readdirSync(temporary).filter((name) => name !== 'node-compile-cache')).toEqual([]);
  expect(processesWithin(temporary)).toEqual([]);
}

describe('npm run demo', () => {
  test.each([
    ['', 'EC_P256'],
    ['--key RSA_2048', 'RSA_2048'],
  ])('shows every step and a verified signature of the pushed image, and leaves nothing behind %s', async (option) => {
    const args = ['run', 'demo', '--', '--no-install', ...option.split(' ').filter(Boolean)];
    const demo = await start('npm', args, npmSettings);

    expect(await demo.process.exited, demo.output()).toEqual({ code: 0, signal: null });

    const output = demo.output();
    const steps = [
      'Redis with an append-only file is up',
      'emulator of STS, KMS and the token service is up',
      'registry with token login is up',
      'rules are written',
      'receiver (autosign serve) is up',
      'worker (autosign work) is up',
      'is built and pushed',
      "ACR's push event is posted and queued",
      'the signature is in the registry',
      'autosign verify 127.0.0.1:',
    ];
    const timed = output.split('\n').filter((line) => /^ *\d+ ms {2}/.test(line));
    for (const step of steps) expect(timed).toContainEqual(expect.stringContaining(step));
    const places = steps.map((step) => output.indexOf(step));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    const pushed = /^ +digest (sha256:[0-9a-f]{64})$/m.exec(output)?.[1];
    const manifest = JSON.parse(/^\{$[\s\S]*?^\}$/m.exec(output)?.[0] ?? 'null');
    expect(manifest).toMatchObject({
      artifactType: 'application/vnd.cncf.notary.signature',
      subject: { digest: pushed },
      layers: [{ mediaType: 'application/jose+json' }],
    });
    expect(output).toMatch(/\/prod\/app:v1 \(sha256:[0-9a-f]{64}\): valid$/m);
    expect(output).toMatch(/everything is stopped$/m);
    expectNothingLeft(demo);
  });
});

describe('the demo', () => {
  test('with --keep prints addresses that answer, and stops everything on Ctrl-C', async () => {
    const demo = await start(process.execPath, [main, '--keep', '--no-install']);
    await demo.process.waitForLine((line) => line.includes('  audit '), timeoutMs);
    const url = (name: string) => new RegExp(`^ +${name} +(http://\\S+)`, 'm').exec(demo.output())?.[1] ?? '';
    const [health = '', adminHealth = ''] = demo.output().match(/http:\S+\/readyz/g) ?? [];

    expect((await fetch(health)).status).toBe(200);
    expect((await fetch(adminHealth)).status).toBe(200);
    expect((await fetch(`${url('operators')}/login`)).status).toBe(200);
    expect(demo.output()).toMatch(/^ +operators +\S+ \(user demo, password \S{24}\)$/m);
    expect((await fetch(`${url('registry')}/v2/`)).status).toBe(401);
    expect((await fetch(url('webhook'), { method: 'POST', body: '{}' })).status).toBe(415);

    demo.process.kill('SIGINT');
    expect(await demo.process.exited, demo.output()).toEqual({ code: 0, signal: null });
    expectNothingLeft(demo);
  });

  test('stops everything on Ctrl-C before it is through, and says that it was interrupted', async () => {
    const demo = await start(process.execPath, [main, '--no-install']);
    await demo.process.waitForLine((line) => line.includes('Redis with an append-only file is up'), timeoutMs);

    demo.process.kill('SIGINT');

    expect(await demo.process.exited).toEqual({ code: 130, signal: null });
    expect(demo.output()).toContain('demo: interrupted');
    expectNothingLeft(demo);
  });

  test.each([['--key=RSA_4096'], ['--keys'], ['now']])('refuses the option %s with exit code 2', async (option) => {
    const demo = await start(process.execPath, [main, option]);

    expect((await demo.process.exited).code).toBe(2);
    expect(demo.output()).toContain('see --help');
    expect(demo.output()).not.toContain('    at ');
    expectNothingLeft(demo);
  });

  test('without docker-registry and with --no-install says what to install, and starts nothing', async () => {
    const programs = mkdtempSync(join(tmpdir(), 'autosign-path-'));
    onTestFinished(() => rmSync(programs, { recursive: true }));
    mkdirSync(join(programs, 'bin'));
    symlinkSync(findProgram('redis-server') ?? '', join(programs, 'bin/redis-server'));
    const demo = await start(process.execPath, [main, '--no-install'], { PATH: join(programs, 'bin') });

    expect((await demo.process.exited).code).toBe(1);
    expect(demo.output()).toContain('docker-registry must be installed: sudo apt-get install docker-registry');
    expect(demo.output()).not.toContain('is up');
    expectNothingLeft(demo);
  });
});
