import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, test } from 'vitest';
import { startAutosign } from '../../../infra/demo/autosign.ts';
import { pushImage } from '../../../infra/images/push-image.ts';
import { findProgram } from '../../../infra/processes/find-program.ts';
import { freePort } from '../../../infra/processes/free-port.ts';
import { startProcess } from '../../../infra/processes/start-process.ts';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { type AtEnd, createLab, type Lab } from '../../e2e/lab.ts';
import { directoryWith, runCommand } from './run-command.ts';

const host = inject('fallbackHost');
const timeoutMs = 60_000;

const rulesText = `version: 1
registries:
  - { name: lab, host: lab.example.com }
  - { name: watched, host: watched.example.com }
keys:
  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }
rules:
  - { name: prod, registries: [lab], namespaces: { include: [prod] }, key: dev, algorithm: ECDSA_SHA_256 }
  - { name: watch, state: audit, registries: [watched], key: dev, algorithm: ECDSA_SHA_256 }
`;

/** Images that a lab's rule covers, and a Redis of its own where the test wants one. */
async function open(atEnd: AtEnd, existing: 'sign' | 'ignore') {
  const redis = await startRedis({ appendOnly: false });
  atEnd(() => redis.stop());
  const lab = await createLab({ registries: { lab: host }, redisUrl: redis.url, existing }, atEnd);
  const repository = lab.repository();
  for (const tag of ['v1', 'v2']) await pushImage({ host, repository, tag, kind: 'oci-manifest' });
  return { lab, repository };
}

async function start(lab: Lab, atEnd: AtEnd, ...args: string[]) {
  const started = await startAutosign({ args: ['backfill', ...args], env: lab.environment });
  atEnd(async () => {
    await started.stop(0);
  });
  return started;
}

const run = (lab: Lab, ...args: string[]) => runCommand(['backfill', ...args], lab.environment);
const linesOf = (stdout: string) => stdout.split('\n').map((line) => JSON.parse(line));

describe.concurrent('autosign backfill', () => {
  test.for([
    ['--registry nowhere', 'no rule in state sign names "nowhere"; there is: lab.'],
    ['--registry watched', 'no rule in state sign names "watched"'],
    ['--rule prot', 'Did you mean prod?'],
    ['--rule watch', 'watch is in state audit'],
    ['--namespace test', 'no rule in state sign covers "test"; there is: prod.'],
    ['--since tomorrow', '--since "tomorrow": expected a date in the past'],
    ['--since 2026-02-31', '--since "2026-02-31": expected'],
    ['--since 2026-01-31T08:00', 'or a duration like 7d or 12h'],
    ['--since 9999-01-01', 'expected a date in the past'],
    ['--limit 0', '--limit "0": a whole number from 1 is expected'],
    ['--limit many', '--limit "many"'],
    ['--dry-run --wait', '--dry-run queues nothing: leave --wait and --resume out'],
    ['--dry-run --resume', '--dry-run queues nothing'],
    ['--rules /nowhere/rules.yaml', '/nowhere/rules.yaml'],
    ['prod', "too many arguments for 'backfill'"],
  ] as const)('refuses %s', async ([line, message], { onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': rulesText }, onTestFinished);
    const env = { AUTOSIGN_RULES: join(directory, 'rules.yaml'), AUTOSIGN_REDIS_URL: inject('redisUrl') };
    const { code, stdout, stderr } = await runCommand(['backfill', ...line.split(' ')], env);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('asks for Redis, and says when it is not there without showing the password', async ({ onTestFinished }) => {
    const directory = directoryWith({ 'rules.yaml': rulesText }, onTestFinished);
    const env = { AUTOSIGN_RULES: join(directory, 'rules.yaml') };
    expect(await runCommand(['backfill'], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('AUTOSIGN_REDIS_URL: is not set'),
    });
    const url = `redis://:secret-of-redis@127.0.0.1:${await freePort()}`;
    const { code, stdout, stderr } = await runCommand(['backfill'], { ...env, AUTOSIGN_REDIS_URL: url });
    expect(code, stderr).toBe(8);
    expect(stderr).toContain('AUTOSIGN_REDIS_URL');
    expect(stdout + stderr).not.toContain('secret-of-redis');
  });

  test('with --dry-run counts without Redis, and ends with 8 when the registry is not there', async ({
    onTestFinished,
  }) => {
    const lab = await createLab({ registries: { lab: host }, existing: 'ignore' }, onTestFinished);
    const repository = lab.repository();
    for (const tag of ['v1', 'v2']) await pushImage({ host, repository, tag, kind: 'oci-manifest' });
    const { code, stdout, stderr } = await run(lab, '--dry-run');
    expect(code, stderr).toBe(0);
    expect(linesOf(stdout).at(-1)).toMatchObject({
      step: 'summary',
      status: 'finished',
      tags: 2,
      estimate: { images: 2, signatures: 2, kmsCalls: 0, seconds: 0 },
    });
    const gone = await createLab({ registries: { lab: `127.0.0.1:${await freePort()}` } }, onTestFinished);
    const ended = await run(gone, '--dry-run');
    expect(ended.code).toBe(8);
    expect(linesOf(ended.stdout).map(({ step }) => step)).toContain('broken-off');
  });

  test('queues and ends; what is unfinished is gone on with or forgotten, as one wants', async ({ onTestFinished }) => {
    const { lab } = await open(onTestFinished, 'sign');
    const first = await run(lab, '--resume');
    expect(first.code, first.stderr).toBe(0);
    expect(linesOf(first.stdout)).toMatchObject([
      { step: 'begun' },
      { step: 'progress', tags: 2 },
      { step: 'namespace', registry: 'lab' },
      { step: 'summary', status: 'finished', tags: 2, queued: 2, pending: 2 },
    ]);

    const waiting = await start(lab, onTestFinished, '--wait');
    await waiting.waitForLine((line) => line.includes('"tags":2'), timeoutMs);
    waiting.kill('SIGINT');
    expect((await waiting.exited).code).toBe(130);
    const [begun, ...lines] = linesOf(waiting.stdout.join('\n'));
    // A finished run is no run to be forgotten.
    expect(begun).toEqual({ step: 'begun', seconds: expect.any(Number) });
    expect(lines.at(-1)).toMatchObject({ status: 'stopped', queued: 2, pending: 2 });
    expect(lines.at(-1).resume).toBe(`autosign backfill --rules ${join(lab.directory, 'rules.yaml')} --wait --resume`);

    const resumed = linesOf((await run(lab, '--resume')).stdout);
    expect(resumed).toMatchObject([{ step: 'resumed' }, { step: 'summary', tags: 2, queued: 2 }]);
    const stopped = await start(lab, onTestFinished, '--wait');
    await stopped.waitForLine((line) => line.includes('"tags":2'), timeoutMs);
    stopped.kill('SIGTERM');
    expect((await stopped.exited).code).toBe(130);
    const anew = linesOf((await run(lab)).stdout);
    expect(anew[0]).toMatchObject({ step: 'begun', forgotten: expect.stringMatching(/^20\d\d-/) });
    expect(anew.at(-1)).toMatchObject({ tags: 2, queued: 2 });
  });

  test('waits for a rule that is preparing, and for a backfill of the same choice', async ({ onTestFinished }) => {
    const { lab } = await open(onTestFinished, 'ignore');
    const first = await start(lab, onTestFinished);
    const preparing = JSON.parse(await first.waitForLine((line) => line.includes('"preparing"'), timeoutMs));
    expect(preparing.rules).toEqual([{ rule: 'images-of-lab', registry: 'lab' }]);
    const second = await run(lab);
    expect(second.code).toBe(1);
    expect(second.stdout).toContain('"occupied"');
    expect(second.stderr).toContain('Another process runs a backfill of the same choice');
    // Another choice is another matter.
    const third = await start(lab, onTestFinished, '--limit', '1', '--registry', 'lab');
    await third.waitForLine((line) => line.includes('"preparing"'), timeoutMs);
    for (const one of [first, third]) {
      one.kill('SIGINT');
      expect((await one.exited).code).toBe(130);
      expect(JSON.parse(one.stdout.at(-1) ?? '')).toMatchObject({ step: 'summary', status: 'stopped', tags: 0 });
    }
  });

  test('ends at once at a second signal, while a registry does not answer', async ({ onTestFinished }) => {
    let asked = 0;
    const mute = createServer((request, response) => {
      if (!request.url?.includes('/tags/list')) {
        asked += request.url?.includes('/manifests/') ? 1 : 0;
        if (!request.url?.includes('_catalog')) return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ repositories: ['prod/app'], tags: ['v1'] }));
    });
    onTestFinished(() => void mute.close());
    onTestFinished(() => mute.closeAllConnections());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const registry = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const lab = await createLab({ registries: { lab: registry }, namespace: 'prod' }, onTestFinished);
    const started = await start(lab, onTestFinished, '--dry-run');
    while (asked === 0) await sleep(10);
    let over = false;
    void started.exited.then(() => {
      over = true;
    });
    // Two signals in a row may be heard as one.
    while (!over) {
      started.kill('SIGINT');
      await sleep(50);
    }
    expect((await started.exited).code).toBe(130);
    expect(started.stdout.join('\n')).not.toContain('summary');
  });

  test.skipIf(findProgram('script') === undefined)('shows bars on a terminal', async ({ onTestFinished }) => {
    const { lab } = await open(onTestFinished, 'sign');
    const main = join(import.meta.dirname, '../../../src/main.ts');
    const line = `stty cols 160; exec ${process.execPath} ${main} backfill`;
    const started = await startProcess({
      command: 'script',
      args: ['-qec', line, '/dev/null'],
      env: { ...lab.environment, TERM: 'xterm' },
      timeoutMs,
    });
    const { code } = await started.exited;
    const shown = started.stdout.join('\n');
    expect(code, shown).toBe(0);
    expect(shown).toMatch(/namespaces \[=+\] 1\/1/);
    expect(shown).toMatch(/images +\[=+\] 2\/2, \d+\/s, 0:00 left/);
    expect(shown).toContain('finished: 2 images looked at, 2 queued, 0 signed, 0 skipped, 0 failed');
    expect(shown).not.toContain('"step"');
  });
});
