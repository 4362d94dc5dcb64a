import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { startAutosign } from '../../../infra/demo/autosign.ts';
import { freePort } from '../../../infra/processes/free-port.ts';
import { startRedis } from '../../../infra/processes/start-redis.ts';
import { createLeases } from '../../../src/coordination/lease.ts';
import { createReconcileSchedule, type ReconcileRun } from '../../../src/coordination/reconcile-schedule.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import { signQueuePrefix } from '../../../src/queue/job-options.ts';

const counts = { tags: 3, queued: 1, existing: 0, waiting: 0, failed: 0 };

function writeRules(): string {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-reconcile-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'rules.yaml');
  writeFileSync(
    file,
    `version: 1
registries:
  - { name: lab, host: lab.example.com }
  - { name: far, host: far.example.com }
  - { name: watched, host: watched.example.com }
keys:
  - { name: dev, spec: EC_P256, local: { privateKeyFile: dev.pem } }
rules:
  - { name: all, registries: [lab, far], key: dev, algorithm: ECDSA_SHA_256 }
  - { name: watch, state: audit, registries: [watched], key: dev, algorithm: ECDSA_SHA_256 }
`,
  );
  return file;
}

async function run(redisUrl: string, ...args: string[]) {
  const env = { AUTOSIGN_REDIS_URL: redisUrl, AUTOSIGN_RULES: writeRules() };
  const started = await startAutosign({ args: ['reconcile', ...args], env });
  const { code } = await started.exited;
  return { code, out: started.stdout.join('\n'), err: started.stderr.join('\n') };
}

/** A Redis of its own, as the command knows one queue only, and a stand-in for the workers. */
async function open() {
  const { url, stop } = await startRedis({ appendOnly: false });
  const redis = connectStore({ redisUrl: url, onError: () => undefined });
  onTestFinished(async () => {
    await closeConnection(redis);
    await stop();
  });
  const schedule = createReconcileSchedule({ redis, prefix: signQueuePrefix });
  const leases = createLeases({ redis, prefix: signQueuePrefix, leaseMs: 10_000, renewMs: 1_000 });
  /** Enters a run that began now. */
  async function finish(registry: string, ended: Pick<ReconcileRun, 'counts' | 'error'>): Promise<void> {
    const lease = await leases.take(registry);
    if (lease === undefined) throw new Error('the lease is not free');
    const startedAt = await schedule.now();
    const entry = { registry, rulesHash: 'rules', run: { startedAt, finishedAt: startedAt, ...ended }, restMs: 60_000 };
    expect(await schedule.finish(lease, entry)).toBe(true);
    await lease.release();
  }
  const untilDue = async (registry: string) => {
    while (!(await schedule.isDue(registry, 'rules'))) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { url, schedule, finish, untilDue };
}

describe('autosign reconcile', () => {
  test('asks for every registry that a rule in state sign names', async () => {
    const { url, schedule, finish } = await open();
    for (const registry of ['lab', 'far', 'watched']) await finish(registry, { counts });
    expect(await schedule.isDue('lab', 'rules')).toBe(false);
    const { code, out } = await run(url, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      registries: [
        { registry: 'lab', status: 'asked' },
        { registry: 'far', status: 'asked' },
      ],
    });
    expect(await schedule.isDue('lab', 'rules')).toBe(true);
    expect(await schedule.isDue('far', 'rules')).toBe(true);
    expect(await schedule.isDue('watched', 'rules')).toBe(false);
  });

  test.each([
    [{ counts }, 0, 'lab: 3 tags, 1 queued, 0 existing, 0 waiting, 0 failed'],
    [{ counts: { ...counts, failed: 1 } }, 1, 'lab: 3 tags, 1 queued, 0 existing, 0 waiting, 1 failed'],
    [{ error: 'connection refused' }, 1, 'lab: cannot be walked: connection refused'],
  ])('with --wait tells how a run that began after it ended: %j', async (ended, expected, line) => {
    const { url, finish, untilDue } = await open();
    // An older one does not count.
    await finish('lab', { counts: { ...counts, tags: 99 } });
    const asked = run(url, '--registry', 'lab', '--wait');
    await untilDue('lab');
    await finish('lab', ended);
    expect(await asked).toMatchObject({ code: expected, out: line });
  });

  test('with --wait gives up after --timeout, as no worker runs', async () => {
    const { url } = await open();
    const { code, out } = await run(url, '--registry', 'lab', '--wait', '--timeout', '1s');
    expect(code).toBe(7);
    expect(out).toContain('Does "autosign work" run');
  });

  test.each([
    [['--registry', 'watched'], 'no rule in state sign names "watched"; they name: lab, far'],
    [['--registry', 'nowhere'], 'no rule in state sign names "nowhere"'],
    [['--timeout', 'soon'], 'expected a duration'],
    [['--rules', '/nowhere/rules.yaml'], '/nowhere/rules.yaml'],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await run(inject('redisUrl'), ...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  test('says that Redis is not there, and shows no password', async () => {
    const { code, err } = await run(`redis://:secret-of-redis@127.0.0.1:${await freePort()}`);
    expect(code).toBe(8);
    expect(err).toContain('AUTOSIGN_REDIS_URL');
    expect(err).not.toContain('secret-of-redis');
  });
});
