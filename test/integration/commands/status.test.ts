import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AutosignError } from '../../../src/domain/errors.ts';
import { done, gatedProcess } from '../worker/open-queue.ts';
import { runRecorded } from './loaded-modules.ts';
import { runCommand } from './run-command.ts';
import { host, openRedis, pushJob, pushToSign, sign, statusOf, statusText, tag, writeRules } from './status-setting.ts';

// Nobody listens on port 1.
const noRedis = { AUTOSIGN_REDIS_URL: 'redis://:secret-of-redis@127.0.0.1:1' };
const endOfYear = new Date('2040-12-31T00:00:00Z');

describe('of a signed image', () => {
  test('tells the signature and the end of its certificate, and asks nobody else', async () => {
    const { file, certificatePem } = await writeRules({ notAfter: endOfYear });
    const pushed = await pushToSign();
    const signature = await sign(pushed, certificatePem);
    const { code, stdout } = await statusText(pushed.reference, file, noRedis);
    expect(code, stdout).toBe(0);
    expect(stdout.split('\n')).toEqual([
      `${pushed.reference} (${pushed.image.digest}): valid`,
      '  valid     rule all, key release, notation, mode default',
      `            ${signature}, its certificate ends 2040-12-31T00:00:00.000Z`,
      '            next: Nothing.',
    ]);
    const { json } = await statusOf(pushed.reference, file);
    expect(json).toEqual({
      reference: pushed.reference,
      registry: 'lab',
      verdict: 'valid',
      digest: pushed.image.digest,
      nextStep: 'Nothing.',
      signatures: [
        {
          rule: 'all',
          key: 'release',
          format: 'notation',
          mode: 'default',
          status: 'valid',
          nextStep: 'Nothing.',
          signature,
          certificateEnds: endOfYear.toISOString(),
        },
      ],
      notWanted: [],
    });
  });

  test('says what to do before its certificate ends', async () => {
    const { file, certificatePem } = await writeRules({ notAfter: new Date(Date.now() + 7 * 24 * 3600 * 1000) });
    const pushed = await pushToSign();
    await sign(pushed, certificatePem);
    const { code, json } = await statusOf(pushed.reference, file);
    expect(code).toBe(0);
    expect(json.signatures[0].nextStep).toMatch(/^Give key release a new certificate \("autosign cert issue"\)/);
  });

  test('says that it will be renewed when a newer certificate is there', async () => {
    const soon = new Date(Date.now() + 7 * 24 * 3600 * 1000);
    const { file, earlierPem } = await writeRules({ earlierEnds: soon });
    const pushed = await pushToSign();
    await sign(pushed, earlierPem);
    const { code, json } = await statusOf(pushed.reference, file);
    expect(code).toBe(0);
    expect(json.signatures).toMatchObject([{ status: 'valid', nextStep: expect.stringMatching(/^Nothing: the next/) }]);
  });

  test('by its digest alone, tells what rules of mode minimal demand', async () => {
    const { file, certificatePem } = await writeRules({
      rules: ['name: minimal, mode: minimal', 'name: bound, mode: default'],
    });
    const pushed = await pushToSign();
    const byDigest = `${host}/${pushed.repository}@${pushed.image.digest}`;
    const bare = await statusOf(byDigest, file, noRedis);
    expect(bare.code).toBe(4);
    expect(bare.json.signatures).toMatchObject([{ rule: 'minimal', status: 'missing', beyondReach: 'no-tag' }]);
    expect(bare.json.signatures[0].nextStep).toMatch(/Ask again with the tag/);
    await sign(pushed, certificatePem, { mode: 'minimal' });
    const { code, json } = await statusOf(byDigest, file);
    expect(code).toBe(0);
    expect(json).toMatchObject({
      signatures: [{ rule: 'minimal', status: 'valid' }],
      notWanted: [{ rule: 'bound', reasons: ['mode default binds a tag, and the reference names none'] }],
    });
  });

  test('counts a signature also when its rule only watches by now', async () => {
    const { file, certificatePem } = await writeRules({ rules: ['name: all, mode: default, state: audit'] });
    const pushed = await pushToSign();
    const watched = await statusOf(pushed.reference, file);
    expect(watched.code).toBe(5);
    expect(watched.json).toMatchObject({ verdict: 'no-rule', signatures: [{ status: 'audit' }] });
    await sign(pushed, certificatePem);
    expect((await statusOf(pushed.reference, file)).json).toMatchObject({ signatures: [{ status: 'valid' }] });
  });

  test('loads no client of the cloud', async (context) => {
    const { file } = await writeRules();
    const { reference } = await pushToSign();
    const args = ['status', reference, '--rules', file];
    const { code, packages } = await runRecorded(args, context, noRedis);
    expect(code).toBe(8);
    expect(packages).toContain('undici');
    expect(packages.filter((name) => name.startsWith('@alicloud'))).toEqual([]);
  });
});

describe('of an image that lacks a signature', () => {
  test('says that no job is queued, and that a reconcile will find it', async () => {
    const { file } = await writeRules();
    const { redisUrl } = await openRedis();
    const { reference } = await pushToSign();
    const env = { AUTOSIGN_REDIS_URL: redisUrl };
    const { code, json } = await statusOf(reference, file, env);
    expect(code).toBe(4);
    expect(json).toMatchObject({ verdict: 'not-signed', signatures: [{ status: 'pending', waitsFor: 'reconcile' }] });
    const { stdout } = await statusText(reference, file, env);
    expect(stdout).toContain('pending   rule all');
    expect(stdout).toContain('"autosign reconcile --registry lab" has one begin now.');
  });

  test('says that it did not look at the queue when it does not know where Redis is', async () => {
    const { file } = await writeRules();
    const { reference } = await pushToSign();
    const { code, json } = await statusOf(reference, file);
    expect(code).toBe(4);
    expect(json.signatures).toMatchObject([{ status: 'missing', reason: expect.stringContaining('not looked at') }]);
    expect(json.nextStep).toMatch(/^Set AUTOSIGN_REDIS_URL/);
  });

  test('ends with 8 when Redis is not there, tells what the registry says all the same, and no password', async () => {
    const { file } = await writeRules();
    const { reference, image } = await pushToSign();
    const { code, stdout, stderr, json } = await statusOf(reference, file, noRedis);
    expect(code).toBe(8);
    expect(json).toMatchObject({
      verdict: 'unknown',
      digest: image.digest,
      signatures: [{ status: 'unknown', code: 'redis-unreachable' }],
      nextStep: expect.stringMatching(/^Start Redis/),
    });
    expect(stdout + stderr).not.toContain('secret-of-redis');
  });

  test('tells the job that waits for a worker', async () => {
    const { file } = await writeRules();
    const { redisUrl, queue } = await openRedis();
    const { reference, repository } = await pushToSign();
    const { id } = await queue.add(pushJob(repository));
    const { code, json } = await statusOf(reference, file, { AUTOSIGN_REDIS_URL: redisUrl });
    expect(code).toBe(4);
    expect(json.signatures).toMatchObject([
      { status: 'pending', waitsFor: 'worker', job: { id, lane: 'push', state: 'waiting', failures: 0 } },
    ]);
    expect(json.signatures[0].reason).toMatch(new RegExp(`^Job ${id} waits for a worker since 20.*Z\\.$`));
  });

  test('tells the job that runs', async () => {
    const { file } = await writeRules();
    const { redisUrl, queue, worker } = await openRedis();
    const { reference, repository } = await pushToSign();
    const gate = gatedProcess();
    worker().startWorker(gate.process);
    await queue.add(pushJob(repository));
    const { end } = await gate.started(1);
    const { code, json } = await statusOf(reference, file, { AUTOSIGN_REDIS_URL: redisUrl });
    end(done);
    expect(code).toBe(4);
    expect(json.signatures).toMatchObject([{ status: 'pending', waitsFor: 'running-job' }]);
  });

  test('tells until when its job sleeps and why, whatever a stranger put there', async () => {
    const { file } = await writeRules();
    const { redisUrl, queue, worker } = await openRedis();
    const { reference, repository } = await pushToSign();
    const { startWorker, until } = worker();
    const reason = 'Key release is paused: \u001b]0;owned\u0007 disabled in KMS';
    startWorker(async () => ({ next: 'sleep', outcome: undefined, reason, afterMs: 300_000 }));
    const { id } = await queue.add(pushJob(repository));
    await until('delayed');
    const env = { AUTOSIGN_REDIS_URL: redisUrl };
    const { stdout } = await statusText(reference, file, env);
    const { code, json } = await statusOf(reference, file, env);
    expect(code).toBe(4);
    expect(stdout).toMatch(
      new RegExp(`Job ${id} sleeps until 20.*Z: Key release is paused: \\?\\]0;owned\\? disabled`),
    );
    expect(json.signatures).toMatchObject([
      { waitsFor: 'sleeping-job', nextStep: expect.stringMatching(/^Mend what/) },
    ]);
    expect(Date.parse(json.signatures[0].job.until)).toBeGreaterThan(Date.now() + 60_000);
  });

  test('tells its dead letter, and how to try it again', async () => {
    const { file } = await writeRules();
    const { redisUrl, queue, worker } = await openRedis();
    const { reference, repository } = await pushToSign();
    const { startWorker, until } = worker();
    const error = new AutosignError('registry-denied', 'PUT: the registry answered 403');
    startWorker(async () => ({ next: 'give-up', error }));
    const { id } = await queue.add(pushJob(repository));
    await until('failed');
    const { code, json } = await statusOf(reference, file, { AUTOSIGN_REDIS_URL: redisUrl });
    expect(code).toBe(1);
    expect(json).toMatchObject({
      verdict: 'failed',
      signatures: [
        { status: 'failed', reason: `registry-denied: ${error.message}`, deadLetter: { id, code: 'registry-denied' } },
      ],
    });
    expect(json.nextStep).toMatch(new RegExp(`^Give the login .*"autosign dead retry ${id}"\\.$`));
  });

  test('says that its key is paused', async () => {
    const { file } = await writeRules({ notBefore: new Date(0), notAfter: new Date(86_400_000) });
    const { redisUrl } = await openRedis();
    const { reference } = await pushToSign();
    const { code, json } = await statusOf(reference, file, { AUTOSIGN_REDIS_URL: redisUrl });
    expect(code).toBe(4);
    expect(json.signatures).toMatchObject([
      { status: 'pending', waitsFor: 'key', reason: expect.stringContaining('its certificate ended on 1970-01-02') },
    ]);
  });

  test('names the file of the key that it cannot read', async () => {
    const { file } = await writeRules();
    rmSync(join(file, '../release.pub.pem'));
    const { reference } = await pushToSign();
    const { code, json } = await statusOf(reference, file);
    expect(code).toBe(4);
    expect(json.signatures[0].reason).toMatch(/release\.pub\.pem cannot be read.*The queue was not looked at/);
  });

  test('says that the rule leaves alone what stood before it, or prepares', async () => {
    const { file } = await writeRules({ rules: ['name: all, mode: default, existing: ignore'] });
    const { redisUrl, completeBaseline } = await openRedis();
    const pushed = await pushToSign();
    const env = { AUTOSIGN_REDIS_URL: redisUrl };
    expect((await statusOf(pushed.reference, file, env)).json.signatures).toMatchObject([
      { status: 'pending', waitsFor: 'rule' },
    ]);
    await completeBaseline(file, pushed);
    const { code, json } = await statusOf(pushed.reference, file, env);
    expect(code).toBe(4);
    expect(json.signatures).toMatchObject([{ status: 'existing' }]);
    expect(json.nextStep).toContain('autosign backfill --registry lab --rule all');
  });

  test('tells each rule by itself, and gives the verdict of the worst', async () => {
    const { file, certificatePem } = await writeRules({
      rules: ['name: digest, mode: minimal, existing: sign', 'name: tagged, mode: default, existing: sign'],
    });
    const { redisUrl } = await openRedis();
    const pushed = await pushToSign();
    await sign(pushed, certificatePem, { mode: 'minimal' });
    const { code, json } = await statusOf(pushed.reference, file, { AUTOSIGN_REDIS_URL: redisUrl });
    expect(code).toBe(4);
    expect(json.signatures).toMatchObject([
      { rule: 'digest', status: 'valid' },
      { rule: 'tagged', status: 'pending' },
    ]);
  });

  test('says that the tag points elsewhere when the reference names an older digest', async () => {
    const { file } = await writeRules();
    const { redisUrl } = await openRedis();
    const first = await pushToSign('first');
    const pinned = `${first.reference}@${first.image.digest}`;
    const env = { AUTOSIGN_REDIS_URL: redisUrl };
    expect((await statusOf(pinned, file, env)).json.signatures).toMatchObject([{ waitsFor: 'reconcile' }]);
    await pushToSign('second', first.repository);
    const { code, json } = await statusOf(pinned, file, env);
    expect(code).toBe(4);
    expect(json).toMatchObject({
      digest: first.image.digest,
      signatures: [{ status: 'missing', beyondReach: 'moved-tag' }],
    });
  });
});

describe('of an image that is not to be signed', () => {
  test('tells why each rule does not want it', async () => {
    const { file } = await writeRules({
      rules: ['name: releases, tags: { include: ["r*"] }', 'name: off, state: off'],
    });
    const reference = `${host}/prod/nowhere:${tag}`;
    const { code, json } = await statusOf(reference, file, noRedis);
    expect(code).toBe(5);
    expect((await statusText(reference, file)).stdout).toContain('  "releases": tag "v1" is not included by "r*"');
    expect(json.notWanted).toEqual([
      { rule: 'releases', reasons: ['tag "v1" is not included by "r*"'] },
      { rule: 'off', reasons: ['its state is off'] },
    ]);
  });

  test('says that no registry has its host', async () => {
    const { file } = await writeRules();
    const { code, json } = await statusOf('registry.example.com/prod/app:v1', file);
    expect(code).toBe(5);
    expect(json).toMatchObject({
      registry: null,
      reason: 'no registry of the rules has the host registry.example.com',
    });
  });

  test('tells why it is denied, and until when', async () => {
    const pushed = await pushToSign();
    const deny = `deny: [{ digest: "${pushed.image.digest}", reason: leaked credential, until: 2040-01-01T00:00:00Z }]`;
    const { file, certificatePem } = await writeRules({ deny });
    await sign(pushed, certificatePem);
    const { code, json } = await statusOf(pushed.reference, file);
    expect(code).toBe(6);
    expect(json).toMatchObject({ verdict: 'denied', deniedUntil: '2040-01-01T00:00:00.000Z', signatures: [] });
    expect((await statusText(pushed.reference, file)).stdout).toContain(
      'is on the deny list: leaked credential. (until 2040-01-01T00:00:00.000Z)',
    );
  });

  test('says that a signature is none', async () => {
    const { file } = await writeRules();
    const { code, json } = await statusOf(`${host}/prod/app:sha256-${'0'.repeat(64)}`, file);
    expect(code).toBe(5);
    expect(json).toMatchObject({ verdict: 'not-an-image' });
  });
});

describe('what is not there', () => {
  test('a signature that is listed and gone is lacking, and will be made again', async () => {
    const { file, certificatePem } = await writeRules();
    const pushed = await pushToSign();
    const signature = await sign(pushed, certificatePem);
    const url = `http://${host}/v2/${pushed.repository}/manifests/${signature}`;
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(202);
    const { code, json } = await statusOf(pushed.reference, file);
    expect(code).toBe(4);
    expect(json).toMatchObject({
      verdict: 'not-signed',
      signatures: [{ status: 'missing' }],
    });
  });
});

describe('what cannot be looked at is not called unsigned', () => {
  test('an image that is not there', async () => {
    const { file } = await writeRules();
    const { code, json } = await statusOf(`${host}/prod/nowhere:${tag}`, file);
    expect(code).toBe(1);
    expect(json).toMatchObject({ verdict: 'gone', reason: `The registry has no prod/nowhere:${tag} any more.` });
  });

  test('a registry that is not there, and what to do then', async () => {
    const { file } = await writeRules({ at: '127.0.0.1:1' });
    const { code, json } = await statusOf('127.0.0.1:1/prod/app:v1', file, noRedis);
    expect(code).toBe(8);
    expect(json).toMatchObject({ verdict: 'unknown', code: 'registry-unreachable', signatures: [] });
    expect(json.nextStep).toMatch(/^Check that the registry is up/);
    const { stdout } = await statusText('127.0.0.1:1/prod/app:v1', file);
    expect(stdout).toMatch(/^127\.0\.0\.1:1\/prod\/app:v1: unknown: .*\n {2}next: Check that the registry is up/);
  });
});

test.for([
  [[], /missing required argument 'reference'/],
  [['nonsense'], /"nonsense" is not an image reference/],
  [[`${host}/prod/app`], /names neither a tag nor a digest/],
  [[`${host}/prod/app:v1`, '--rules', '/nowhere/rules.yaml'], /\/nowhere\/rules\.yaml/],
  [[`${host}/prod/app:v1`, '--nope'], /unknown option/],
] as const)('refuses %j with 2', async ([args, message]) => {
  const { code, stderr } = await runCommand(['status', ...args], { AUTOSIGN_RULES: 'rules.yaml' });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test('refuses an address of Redis that is none, without showing it', async () => {
  const { file } = await writeRules();
  const env = { AUTOSIGN_REDIS_URL: 'http://:hunter2@redis.example.com' };
  const { code, stderr } = await runCommand(['status', `${host}/prod/app:v1`, '--rules', file], env);
  expect(code).toBe(2);
  expect(stderr).toMatch(/AUTOSIGN_REDIS_URL: expected redis/);
  expect(stderr).not.toContain('hunter2');
});
