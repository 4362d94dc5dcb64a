import { describe, expect, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { freePort } from '../../../infra/processes/free-port.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { AutosignError, type ErrorCode } from '../../../src/domain/errors.ts';
import type { BaselineStore } from '../../../src/ports/baseline.ts';
import type { Signer } from '../../../src/ports/signer.ts';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import type { Desired } from '../../../src/worker/desired.ts';
import { uniqueRepository } from '../../support/names.ts';
import { startScriptedServer } from '../../unit/registry/scripted-server.ts';
import { openJobs, pushOf, withRule } from './open-jobs.ts';

const push = (host: string, repository: string, seed = 'one') =>
  pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest', seed });

/** The image of `pushOf` as marks and baselines name it. */
const imageOf = (repository: string) => ({ registry: 'lab', repository, tag: 'v1' });

/** Ends a walk over `lab` for a rule, as the one who walked does. */
const completeBaseline = async (baseline: BaselineStore, identity: string) =>
  baseline.complete(identity, 'lab', await baseline.begin(identity, 'lab'));

/** The same state with keys that answer as `signer` does. */
function withSigner(desired: Desired, signer: Signer): () => Desired {
  const get = (name: string) => {
    const key = desired.keyRing.get(name);
    return key.state === 'ready' ? { ...key, signingKey: { ...key.signingKey, signer } } : key;
  };
  return () => ({ ...desired, keyRing: { get } });
}

test('a job signs for cosign and sleeps for notation while the certificate of the key is missing', async () => {
  const { run, host, access } = await openJobs({
    rule: 'existing: sign, formats: [notation, cosign]',
    certificate: 'none',
  });
  const repository = uniqueRepository();
  const { digest } = await push(host, repository);
  expect(await run(pushOf(repository))).toMatchObject({
    next: 'sleep',
    reason: expect.stringContaining('autosign cert issue dev'),
    outcome: {
      intents: [
        { format: 'notation', status: 'waiting' },
        { format: 'cosign', status: 'signed' },
      ],
    },
  });
  expect(await access.stores['cosign-tag'].list(repository, digest)).toHaveLength(1);
  expect(await access.stores.referrers.list(repository, digest)).toEqual([]);
});

describe('a job that is done', () => {
  test('signed what the tag points at, once, and takes the mark of the push away', async () => {
    const { run, host, access, marks, ruleSet } = await openJobs();
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    await marks.mark(imageOf(repository), ruleSet.hash);
    const verdict = await run(pushOf(repository));
    expect(verdict).toMatchObject({
      next: 'done',
      outcome: { status: 'examined', digest, superseded: false, intents: [{ rules: ['all'], status: 'signed' }] },
    });
    expect(await access.stores.referrers.list(repository, digest)).toHaveLength(1);
    expect(await marks.read(imageOf(repository))).toBeUndefined();
  });

  test('signed for cosign with a key that has a public key file and no certificate', async () => {
    const { run, host, access } = await openJobs({ rule: 'existing: sign, formats: [cosign]', certificate: 'none' });
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    expect(await run(pushOf(repository))).toMatchObject({ next: 'done', outcome: { intents: [{ status: 'signed' }] } });
    expect(await access.stores['cosign-tag'].list(repository, digest)).toHaveLength(1);
  });

  test('a second time finds the signature and makes none', async () => {
    const { run, host, access } = await openJobs();
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    await run(pushOf(repository));
    expect(await run(pushOf(repository))).toMatchObject({
      next: 'done',
      outcome: { intents: [{ status: 'already-signed' }] },
    });
    expect(await access.stores.referrers.list(repository, digest)).toHaveLength(1);
  });

  test('signed what the tag points at, not what the event named', async () => {
    const { run, host } = await openJobs();
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    const cause = {
      kind: 'push' as const,
      eventDigest: digestOf(Buffer.from('older')),
      receivedAt: '2026-01-01T00:00:00Z',
    };
    expect(await run(pushOf(repository, { cause }))).toMatchObject({
      next: 'done',
      outcome: { digest, superseded: true },
    });
  });

  test('leaves the mark of a push that came while it ran', async () => {
    const { run, host, marks, desired, ruleSet } = await openJobs();
    const repository = uniqueRepository();
    await push(host, repository);
    await marks.mark(imageOf(repository), ruleSet.hash);
    const state = desired();
    const verdict = await run(pushOf(repository), {
      desired: withSigner(state, {
        sign: async (algorithm, message) => {
          await marks.mark(imageOf(repository), ruleSet.hash);
          const key = state.keyRing.get('dev');
          if (key.state !== 'ready') throw new Error('the key is ready');
          return key.signingKey.signer.sign(algorithm, message);
        },
      }),
    });
    expect(verdict.next).toBe('done');
    expect(await marks.read(imageOf(repository))).toBeDefined();
  });

  test('says that the tag is gone when it is', async () => {
    const { run, marks, ruleSet } = await openJobs();
    const repository = uniqueRepository();
    await marks.mark(imageOf(repository), ruleSet.hash);
    expect(await run(pushOf(repository))).toMatchObject({ next: 'done', outcome: { status: 'gone' } });
    expect(await marks.read(imageOf(repository))).toBeUndefined();
  });

  test('leaves what stood before the rule unsigned', async () => {
    const { run, host, baseline, ruleSet, rule, access, marks } = await openJobs({ rule: 'existing: ignore' });
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    await baseline.enter(ruleIdentity(ruleSet, rule), imageOf(repository), digest);
    await completeBaseline(baseline, ruleIdentity(ruleSet, rule));
    await marks.mark(imageOf(repository), ruleSet.hash);
    expect(await run(pushOf(repository))).toMatchObject({
      next: 'done',
      outcome: { intents: [{ status: 'existing' }] },
    });
    expect(await access.stores.referrers.list(repository, digest)).toEqual([]);
    expect(await marks.read(imageOf(repository))).toBeUndefined();
  });
});

describe('a job that nobody wants any more', () => {
  test.each([
    ['its registry is not configured', { registry: 'stranger' }, {}],
    ['its rule is off', {}, { state: 'off' as const }],
    ['its rule selects other tags', {}, { tags: { include: ['release-*'], exclude: [] } }],
    ['its rule is for another registry', {}, { registries: ['other'] }],
  ])(
    'is done without asking the registry when %s; the mark of a push that newer rules want stays',
    async (_, more, change) => {
      await using server = await startScriptedServer(() => ({ status: 500 }));
      const { run, desired, marks, ruleSet } = await openJobs({ host: server.host });
      const job = pushOf('prod/app', more);
      const noRule = { next: 'done', outcome: { status: 'no-rule' } };
      await marks.mark(job, 'newer rules');
      expect(await run(job, { desired: withRule(desired(), change) })).toMatchObject(noRule);
      expect(await marks.read(job)).toBeDefined();
      await marks.mark(job, ruleSet.hash);
      expect(await run(job, { desired: withRule(desired(), change) })).toMatchObject(noRule);
      expect(await marks.read(job)).toBeUndefined();
      expect(server.received).toEqual([]);
    },
  );
});

describe('a job that cannot be read', () => {
  test.each([
    ['of a newer release', { version: 2 }, /version/],
    ['with a field we do not know', { digest: 'sha256:00' }, /digest/],
    ['with a path for a registry', { registry: '../../etc' }, /registry/],
    ['with a repository that is none', { repository: 'prod/../app' }, /repository/],
    ['with a tag that is none', { tag: 'v1?x' }, /tag/],
  ])('%s is given up, and nothing is asked', async (_, more, message) => {
    await using server = await startScriptedServer(() => ({ status: 500 }));
    const { run } = await openJobs({ host: server.host });
    const verdict = await run({ ...pushOf('prod/app'), ...more });
    expect(verdict).toMatchObject({
      next: 'give-up',
      error: { code: 'job-invalid', message: expect.stringMatching(message) },
    });
    expect(server.received).toEqual([]);
  });

  test.each([[undefined], [null], ['text'], [[]]])('as %j is given up', async (data) => {
    const { run } = await openJobs();
    expect(await run(data)).toMatchObject({ next: 'give-up', error: { code: 'job-invalid' } });
  });
});

describe('a job whose registry refuses', () => {
  test.each([
    [403, 'give-up', 'registry-denied'],
    [503, 'retry', 'registry-unreachable'],
    [429, 'retry', 'registry-throttled'],
    [418, 'retry', 'registry-protocol'],
  ])('with %d ends as %s, and the mark stays', async (status, next, code) => {
    await using server = await startScriptedServer(() => ({ status }));
    const { run, marks, ruleSet } = await openJobs({ host: server.host });
    await marks.mark(imageOf('prod/app'), ruleSet.hash);
    expect(await run(pushOf('prod/app'))).toMatchObject({ next, error: { code } });
    expect(await marks.read(imageOf('prod/app'))).toBeDefined();
  });

  test('is tried again when nobody answers', async () => {
    const { run } = await openJobs({ host: `127.0.0.1:${await freePort()}` });
    expect(await run(pushOf('prod/app'))).toMatchObject({ next: 'retry', error: { code: 'registry-unreachable' } });
  });
});

describe('a job that waits for something around it', () => {
  test('sleeps while its rule is preparing, keeps the mark, and signs when it is not any more', async () => {
    const { run, host, baseline, ruleSet, rule, marks } = await openJobs({ rule: 'existing: ignore' });
    const repository = uniqueRepository();
    await push(host, repository);
    await marks.mark(imageOf(repository), ruleSet.hash);
    expect(await run(pushOf(repository))).toMatchObject({ next: 'sleep', reason: expect.stringMatching(/preparing/) });
    expect(await marks.read(imageOf(repository))).toBeDefined();
    await completeBaseline(baseline, ruleIdentity(ruleSet, rule));
    expect(await run(pushOf(repository))).toMatchObject({ next: 'done', outcome: { intents: [{ status: 'signed' }] } });
  });

  test('sleeps while its key has no certificate, and says what to do', async () => {
    const { run, host, access } = await openJobs({ keyWithoutCertificate: true });
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    expect(await run(pushOf(repository))).toMatchObject({
      next: 'sleep',
      reason: expect.stringMatching(/autosign cert issue dev/),
    });
    expect(await access.stores.referrers.list(repository, digest)).toEqual([]);
  });

  test('sleeps without signing while the audit file cannot be written', async () => {
    const { run, host, access, desired } = await openJobs({ auditFile: '/dev/full' });
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    const signed: Uint8Array[] = [];
    const sign: Signer['sign'] = async (_, message) => {
      signed.push(message);
      throw new Error('never asked');
    };
    const verdict = await run(pushOf(repository), { desired: withSigner(desired(), { sign }) });
    expect(verdict).toMatchObject({ next: 'sleep', reason: expect.stringMatching(/audit file/) });
    expect(signed).toEqual([]);
    expect(await access.stores.referrers.list(repository, digest)).toEqual([]);
  });

  test.each<[ErrorCode, number | undefined]>([
    ['kms-throttled', 7_000],
    ['kms-unreachable', undefined],
    ['key-unusable', undefined],
    ['role-refused', undefined],
    ['credentials-missing', undefined],
  ])('sleeps on %s, for as long as the key service asked', async (code, retryAfterMs) => {
    const { run, host, desired } = await openJobs();
    const repository = uniqueRepository();
    await push(host, repository);
    const sign = () => Promise.reject(new AutosignError(code, 'the key said no', { retryAfterMs }));
    expect(await run(pushOf(repository), { desired: withSigner(desired(), { sign }) })).toMatchObject({
      next: 'sleep',
      reason: 'the key said no',
      afterMs: retryAfterMs,
      outcome: { intents: [{ status: 'waiting' }] },
    });
  });
});

describe('a job that meets', () => {
  test('a key that signs something else sleeps, and nothing is pushed', async () => {
    const { run, host, access, desired } = await openJobs();
    const repository = uniqueRepository();
    const { digest } = await push(host, repository);
    const state = desired();
    const key = state.keyRing.get('dev');
    if (key.state !== 'ready') throw new Error('the key is ready');
    const { signer } = key.signingKey;
    const sign: Signer['sign'] = (algorithm) => signer.sign(algorithm, Buffer.from('something else'));
    expect(await run(pushOf(repository), { desired: withSigner(state, { sign }) })).toMatchObject({
      next: 'sleep',
      reason: expect.stringMatching(/not its signature/),
    });
    expect(await access.stores.referrers.list(repository, digest)).toEqual([]);
  });

  test('no Redis sleeps until it is back', async () => {
    const { run, marks } = await openJobs();
    const error = new AutosignError('redis-unreachable', 'Redis did not read the mark of a push.');
    const broken = { ...marks, read: () => Promise.reject(error) };
    expect(await run(pushOf('prod/app'), { marks: broken })).toMatchObject({
      next: 'sleep',
      reason: error.message,
    });
  });

  test('an error nobody expected lets it through, so that it is logged in full', async () => {
    const { run, host, desired } = await openJobs();
    const repository = uniqueRepository();
    await push(host, repository);
    const sign = () => Promise.reject(new TypeError('x is not a function'));
    await expect(run(pushOf(repository), { desired: withSigner(desired(), { sign }) })).rejects.toThrow(TypeError);
  });
});
