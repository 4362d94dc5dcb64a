import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { runAutosign } from '../../infra/demo/autosign.ts';
import { pushImage } from '../../infra/images/push-image.ts';
import { type RunningRegistry, startDockerRegistry } from '../../infra/processes/start-docker-registry.ts';
import { sample } from '../emulator/sample-config.ts';
import { uniqueRepository } from '../support/names.ts';
import { type NotationVerifier, startNotationVerifier } from '../support/notation-verifier.ts';
import { startTestStack, type TestStack } from './stack-for-test.ts';
import { waitUntil } from './wait-until.ts';

const verifierPath = inject('verifierPath');
const tag = 'v1';

// Receiver, worker and emulator are processes of their own, the key is in the emulated KMS behind AssumeRole, the
// registry asks for a token login. The verifier reads the same storage through a second registry without login.
describe.skipIf(verifierPath === undefined).each(['EC_P256', 'RSA_2048'] as const)(
  'the whole way with a KMS key of spec %s',
  (keySpec) => {
    let stack: TestStack;
    let open: RunningRegistry;
    let verifier: NotationVerifier;
    beforeAll(async () => {
      stack = await startTestStack({ keySpec });
      open = await startDockerRegistry({ directory: stack.registryDirectory });
      verifier = await startNotationVerifier(verifierPath ?? '');
    });
    afterAll(async () => {
      await verifier?.stop();
      await open?.stop();
      await stack?.stop();
    });

    async function push(repository: string) {
      const authorization = await stack.authorizationFor(repository);
      return pushImage({
        host: stack.registryHost,
        repository,
        tag,
        kind: 'oci-manifest',
        ...(authorization && { authorization }),
      });
    }

    function verify(repository: string, digest: string) {
      return verifier.verify({
        reference: `${open.host}/${repository}@${digest}`,
        certificates: [stack.certificateFile],
        trustedIdentities: ['x509.subject: C=CN,ST=Zhejiang,O=Demo'],
        userMetadata: { 'autosign.repository': `${stack.registryHost}/${repository}`, 'autosign.tag': tag },
      });
    }

    test('an event becomes a signature that notation-go accepts, once', async () => {
      const repository = uniqueRepository();
      const image = await push(repository);
      expect((await verify(repository, image.digest)).ok).toBe(false);

      expect(await stack.post({ repository, tag, digest: image.digest })).toMatchObject({
        status: 202,
        body: { queued: true },
      });

      await waitUntil(
        () => verify(repository, image.digest),
        ({ ok }) => ok,
      );
      // The verifier lists before it verifies, so the count of the very answer that found it may be older.
      expect((await verify(repository, image.digest)).signatures).toBe(1);
    });

    test('the same event a hundred times leaves one signature', async () => {
      const repository = uniqueRepository();
      const image = await push(repository);

      const answers = await Promise.all(
        Array.from({ length: 100 }, () => stack.post({ repository, tag, digest: image.digest })),
      );

      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
      await waitUntil(
        () => verify(repository, image.digest),
        ({ ok }) => ok,
      );
      await untilIdle(stack);
      expect((await verify(repository, image.digest)).signatures).toBe(1);
    });

    test('autosign verify agrees, and says not signed for an image that no event announced', async () => {
      const repository = uniqueRepository();
      const image = await push(repository);
      const reference = `${stack.registryHost}/${repository}:${tag}`;
      const run = { args: ['verify', reference, '--json'], env: stack.environment };
      expect(JSON.parse(await runAutosign(run, [4]))).toMatchObject({ verdict: 'not-signed' });

      await stack.post({ repository, tag, digest: image.digest });

      await waitUntil(
        () => verify(repository, image.digest),
        ({ ok }) => ok,
      );
      expect(JSON.parse(await runAutosign(run))).toMatchObject({ verdict: 'valid', digest: image.digest });
    });

    test('the metrics tell of the way of each push, of every call to KMS, and of the key', async () => {
      const repository = uniqueRepository();
      const image = await push(repository);
      const before = await metricsOf(stack);
      await stack.post({ repository, tag, digest: image.digest });
      await waitUntil(
        () => metricsOf(stack),
        (now) => now('autosign_push_to_signed_seconds_count') === before('autosign_push_to_signed_seconds_count') + 1,
      );
      const now = await metricsOf(stack);
      const calls = 'autosign_kms_calls_total{key="release",action="AsymmetricSign",outcome="ok"}';
      expect(now(calls)).toBe(before(calls) + 1);
      expect(now('autosign_kms_calls_total{key="release",action="DescribeKey",outcome="ok"}')).toBe(1);
      expect(now('autosign_push_to_signed_seconds_bucket{le="300"')).toBe(now('autosign_push_to_signed_seconds_count'));
      expect(now('autosign_certificate_days_left{key="release"}')).toBeGreaterThan(29);
      expect(now('autosign_queue_jobs{lane="push",state="waiting"}')).toBe(0);
      expect(now('autosign_dead_letters')).toBe(0);
    });

    test('the audit file tells of role, key version and request of every signature', async () => {
      const text = await readFile(join(stack.directory, 'work/audit.jsonl'), 'utf8');
      const lines = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const made = lines.filter(({ outcome }) => outcome === 'made');
      expect(made.length).toBeGreaterThan(0);
      for (const line of made) {
        expect(line).toMatchObject({
          event: { kind: 'push', at: expect.stringMatching(/^\d{4}-.*Z$/) },
          role: sample.roleArn,
          keyVersion: expect.stringMatching(/./),
          requestId: expect.stringMatching(/^[0-9A-F-]{36}$/),
          artifact: expect.stringMatching(/^sha256:/),
        });
        expect(lines.findIndex(({ kind, intent }) => kind === 'intent' && intent === line.intent)).toBeLessThan(
          lines.indexOf(line),
        );
      }
    });

    test('no log, audit line or error of the run holds a secret', async () => {
      const secrets = [
        ...Object.values(stack.cloud.workerEnvironment).slice(1),
        stack.cloud.robot.password,
        stack.webhookUrl.split('/').at(-1) ?? '',
      ];
      const files = ['serve.log', 'work.log', 'work/audit.jsonl'].map((name) => join(stack.directory, name));
      for (const text of await Promise.all(files.map((file) => readFile(file, 'utf8')))) {
        expect(text.length).toBeGreaterThan(0);
        for (const secret of secrets) expect(text.includes(secret)).toBe(false);
        expect(text).not.toMatch(/PRIVATE KEY|Bearer ey/);
      }
    });
  },
);

/** Reads a worker's metrics: answers the first number whose line begins so, 0 when there is none. */
async function metricsOf({ adminUrl }: TestStack): Promise<(beginning: string) => number> {
  const lines = (await (await fetch(`${adminUrl}/metrics`)).text()).split('\n');
  return (beginning) =>
    Number(
      lines
        .find((line) => line.startsWith(beginning))
        ?.split(' ')
        .at(-1) ?? 0,
    );
}

/** Waits until the worker has written that the last job of this stack ended. */
async function untilIdle(stack: TestStack): Promise<void> {
  const lines = () => stack.processes.work.stdout.filter((line) => /"job (done|sleeps)/.test(line)).length;
  let last = -1;
  await waitUntil(
    async () => {
      const before = last;
      last = lines();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return before === last && lines() === last;
    },
    (idle) => idle,
  );
}
