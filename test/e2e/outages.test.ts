import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { freePort } from '../../infra/processes/free-port.ts';
import { startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { startRedis } from '../../infra/processes/start-redis.ts';
import { sample, sampleConfig, trustPolicy } from '../emulator/sample-config.ts';
import { startEmulator } from '../emulator/start-emulator.ts';
import { uniqueRepository } from '../support/names.ts';
import { type AtEnd, createLab, keyStateOf, labKmsKey, startTimeoutMs, untilSigned } from './lab.ts';
import { waitUntil } from './wait-until.ts';

const host = inject('fallbackHost');
// Keys are looked at every ten seconds.
const keyTimeoutMs = 30_000;

// Connections, jobs and keys are tried again after seconds, which add up on a loaded machine.
describe.concurrent('started while something is away, the service mends itself', { timeout: 120_000 }, () => {
  test('without Redis serve answers 503 with Retry-After; when it comes, serve queues and work signs', async ({
    onTestFinished,
  }) => {
    const port = await freePort();
    const lab = await createLab({ registries: { lab: host }, redisUrl: `redis://127.0.0.1:${port}` }, onTestFinished);
    const repository = lab.repository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
    const [serve, work] = await Promise.all([lab.start('serve'), lab.start('work')]);

    expect((await fetch(`${serve.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${work.url}/readyz`)).status).toBe(503);
    const refused = await serve.post({ repository });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);

    await startRedisOn(port, onTestFinished);
    const answer = await waitUntil(
      () => serve.post({ repository }),
      ({ status }) => status !== 503,
    );
    expect(answer.status).toBe(202);
    await untilSigned(host, repository, image);
    expect((await fetch(`${serve.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${work.url}/readyz`)).status).toBe(200);
  });

  test.for(['sign', 'ignore'] as const)(
    // With ignore the walk over what stood before the rule fails too; the event proves that the image is newer.
    'without its registry a job waits, and is signed when the registry comes (existing: %s)',
    async (existing, { onTestFinished }) => {
      const directory = await mkdtemp(join(tmpdir(), 'autosign-storage-'));
      onTestFinished(() => rm(directory, { recursive: true, force: true }));
      const repository = uniqueRepository();
      const before = await startDockerRegistry({ directory });
      const image = await pushImage({ host: before.host, repository, tag: 'v1', kind: 'oci-manifest' });
      await before.stop();
      const port = Number(before.host.split(':')[1]);
      const redis = await startRedisOn(undefined, onTestFinished);
      const lab = await createLab(
        { registries: { lab: before.host }, redisUrl: redis.url, existing, namespace: 'prod' },
        onTestFinished,
      );
      const [serve, work] = await Promise.all([lab.start('serve'), lab.start('work')]);

      expect((await serve.post({ repository })).status).toBe(202);
      await work.process.waitForLine((line) => /job (failed|sleeps)/.test(line), startTimeoutMs);

      const after = await startDockerRegistry({ directory, port });
      onTestFinished(() => after.stop());
      await untilSigned(after.host, repository, image);
    },
  );

  test('without KMS the key is paused with the reason, and the image is signed when KMS comes', async ({
    onTestFinished,
  }) => {
    const port = await freePort();
    const kmsUrl = `http://127.0.0.1:${port}`;
    const { config, accessKeySecret } = sampleConfig({ port, keys: [labKmsKey] });
    const redis = await startRedisOn(undefined, onTestFinished);
    const lab = await createLab({ registries: { lab: host }, redisUrl: redis.url, kmsUrl }, onTestFinished);
    const repository = lab.repository();
    const image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
    const [serve, work] = await Promise.all([
      lab.start('serve'),
      lab.start('work', credentials(sample.worker.accessKeyId, accessKeySecret)),
    ]);

    expect(await keyStateOf(work)).toMatchObject({
      name: 'release',
      state: 'paused',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect((await keyStateOf(work))?.reason).toContain('Check that this machine reaches the endpoint');
    expect((await serve.post({ repository })).status).toBe(202);
    await work.process.waitForLine((line) => line.includes('job sleeps'), startTimeoutMs);

    const emulator = await startEmulator(config);
    onTestFinished(() => emulator.close());
    await waitUntil(
      () => keyStateOf(work),
      (key) => key?.state === 'ready',
      keyTimeoutMs,
    );
    await untilSigned(host, repository, image);
  });
});

describe.concurrent('a worker that KMS or STS does not let in says what to do', () => {
  const stranger = { accessKeyId: 'LTAI-stranger', arn: 'acs:ram::1234567890123456:user/stranger' };

  test.for([
    [
      'with a wrong secret',
      'wrong',
      /SignatureDoesNotMatch.*secret does not belong to the access key of the worker's own identity/,
    ],
    [
      'that the role does not trust',
      'right',
      /add to the role's trust policy.*"Action":"sts:AssumeRole".*"RAM":\["acs:ram::1234567890123456:user\/stranger"\]/,
    ],
  ] as const)('%s', async ([_what, secret, reason], { onTestFinished }) => {
    const accessKeySecret = 'right-secret-of-the-stranger';
    const { config } = sampleConfig({ users: [{ ...stranger, accessKeySecret }], keys: [labKmsKey] });
    const roles = [{ arn: sample.roleArn, trustPolicy: trustPolicy({ Service: ['cr.aliyuncs.com'] }) }];
    const emulator = await startEmulator({ ...config, roles });
    onTestFinished(() => emulator.close());
    const lab = await createLab(
      { registries: { lab: host }, redisUrl: inject('redisUrl'), kmsUrl: emulator.url },
      onTestFinished,
    );

    const given = secret === 'right' ? accessKeySecret : 'wrong-secret-of-the-stranger';
    const work = await lab.start('work', credentials(stranger.accessKeyId, given));

    const key = await keyStateOf(work);
    expect(key?.state).toBe('paused');
    expect(key?.reason).toMatch(reason);
    const output = [...work.process.stdout, ...work.process.stderr].join('\n');
    expect(output).toContain('key is paused');
    expect(output).not.toContain(given);
  });
});

function credentials(accessKeyId: string, accessKeySecret: string) {
  return { ALIBABA_CLOUD_ACCESS_KEY_ID: accessKeyId, ALIBABA_CLOUD_ACCESS_KEY_SECRET: accessKeySecret };
}

async function startRedisOn(port: number | undefined, atEnd: AtEnd) {
  const redis = await startRedis({ appendOnly: false, ...(port !== undefined && { port }) });
  atEnd(() => redis.stop());
  return redis;
}
