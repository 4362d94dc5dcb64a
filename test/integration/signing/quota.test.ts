import { expect, inject, onTestFinished, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { createRedisQuota } from '../../../src/coordination/redis-quota.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { Signer } from '../../../src/ports/signer.ts';
import { quotaOf } from '../../../src/rules/quota-of.ts';
import { signImage } from '../../../src/signing/sign-image.ts';
import { keySource } from '../../integration/alibaba/account.ts';
import { uniqueRepository } from '../../support/names.ts';
import { createSigningFixture } from '../../support/signing-fixture.ts';

const host = inject('fallbackHost');
const tag = 'v1';
const throttled = new AutosignError('kms-throttled', 'Rejected.Throttling');

/** The pipeline with the quota in Redis, and a key whose rules say that it is in KMS. */
async function settingWith(limit: { perSecond?: number; perDay?: number }) {
  const source = keySource('http://127.0.0.1:1');
  const quotas = [
    { accountId: '1234567890123456', region: source.region, perSecond: 100, perDay: undefined, ...limit },
  ];
  const fixture = await createSigningFixture({ redisUrl: inject('redisUrl'), host, source, quotas });
  const limits: number[] = [];
  const { redis, prefix } = fixture;
  const quota = createRedisQuota({ redis, prefix, onLimit: ({ perSecond }) => void limits.push(perSecond) });
  onTestFinished(async () => {
    await quota.close();
    await fixture.close();
  });
  const repository = uniqueRepository();
  const image = await pushImage({ host, repository, tag, kind: 'oci-manifest' });
  const ready = fixture.tools.keyRing.get('release');
  if (ready.state !== 'ready') throw new Error('not ready');
  const scope = quotaOf(fixture.ruleSet, ready.signingKey.key);
  if (scope === undefined) throw new Error('no quota');
  return {
    fixture,
    repository,
    image,
    limits,
    /** Takes a place as another job would. */
    takeOne: () => quota.take(scope, 'push'),
    sign: (sign: Signer['sign'] = fixture.signer.sign) => {
      const keyRing = {
        get: () => ({ state: 'ready' as const, signingKey: { ...ready.signingKey, signer: { sign } } }),
      };
      const request = { registry: fixture.registry, repository, tag, cause: 'push' };
      return signImage(request, { ...fixture.tools, quota, keyRing });
    },
    audited: () => fixture.audited.map(({ kind, outcome }) => outcome ?? kind),
  };
}

test('a tag that moved while its job waited for a place is looked at again, and only what it points at now is signed', async () => {
  const { fixture, repository, image, takeOne, sign } = await settingWith({ perSecond: 1 });
  (await takeOne()).finish('ended');
  const signing = sign();
  const second = await pushImage({ host, repository, tag, kind: 'oci-manifest', seed: 'second' });
  expect(await signing).toMatchObject({ outcome: { status: 'examined', digest: second.digest } });
  expect(fixture.calls).toHaveLength(1);
  expect(await fixture.store.list(repository, image.digest)).toEqual([]);
});

test('a throttled call slows down and is sent again, and the image is signed', async () => {
  const { fixture, sign, limits, audited } = await settingWith({});
  let calls = 0;
  const { outcome, failures } = await sign(async (...asked) => {
    calls += 1;
    if (calls === 1) throw throttled;
    return fixture.signer.sign(...asked);
  });
  expect({ outcome, failures }).toMatchObject({ outcome: { intents: [{ status: 'signed' }] }, failures: [] });
  expect(audited()).toEqual(['intent', 'failed', 'intent', 'made', 'signed']);
  expect(Math.min(...limits)).toBe(70);
});

test('one that is throttled four times in a row waits, without a failure of the image', async () => {
  const { sign, audited } = await settingWith({});
  const { outcome, failures } = await sign(() => Promise.reject(throttled));
  expect(outcome).toMatchObject({ intents: [{ status: 'waiting', code: 'kms-throttled' }] });
  expect(failures).toMatchObject([{ error: { scope: 'key' } }]);
  expect(audited().filter((word) => word === 'intent')).toHaveLength(4);
});

test('one that KMS asks to wait for is not sent again before', async () => {
  const { sign, audited } = await settingWith({});
  const asked = new AutosignError('kms-throttled', 'wait', { retryAfterMs: 7_000 });
  expect(await sign(() => Promise.reject(asked))).toMatchObject({ failures: [{ error: { retryAfterMs: 7_000 } }] });
  expect(audited()).toEqual(['intent', 'failed']);
});

test('a key that is paused gives its place back', async () => {
  const { sign, takeOne } = await settingWith({ perDay: 1 });
  const paused = new AutosignError('key-paused', 'another job tries it');
  expect(await sign(() => Promise.reject(paused))).toMatchObject({ failures: [{ error: { code: 'key-paused' } }] });
  // The only place of the day is still there.
  (await takeOne()).finish('ended');
});

test('when the calls of the day are used up the intent waits, with the reason, and the key is not asked', async () => {
  const { fixture, sign, takeOne } = await settingWith({ perDay: 1 });
  (await takeOne()).finish('ended');
  expect(await sign()).toMatchObject({
    outcome: {
      intents: [{ status: 'waiting', code: 'kms-quota-used', reason: expect.stringContaining('midnight UTC') }],
    },
    failures: [{ error: { kind: 'surroundings', scope: 'key', retryAfterMs: expect.any(Number) } }],
  });
  expect(fixture.calls).toEqual([]);
});
