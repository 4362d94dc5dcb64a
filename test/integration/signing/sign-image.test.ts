import { afterEach, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { putManifest } from '../../../infra/images/registry-upload.ts';
import { digestOf } from '../../../src/domain/digest.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import type { Quota } from '../../../src/ports/quota.ts';
import type { SignatureStore } from '../../../src/ports/signature-store.ts';
import type { Signer } from '../../../src/ports/signer.ts';
import { ruleIdentity } from '../../../src/rules/rule-identity.ts';
import { type SignImageTools, signImage } from '../../../src/signing/sign-image.ts';
import { uniqueRepository } from '../../support/names.ts';
import { createSigningFixture, type FixtureOptions, type SigningFixture } from '../../support/signing-fixture.ts';
import { signingKey } from '../../support/signing-keys.ts';
import { keySource } from '../alibaba/account.ts';

const redisUrl = inject('redisUrl');
const referrersHost = inject('referrersHost');
const hosts = [
  ['the fallback tag', inject('fallbackHost')],
  ...(referrersHost === undefined ? [] : [['the referrers API', referrersHost] as const]),
] as const;

let fixtures: SigningFixture[] = [];
afterEach(async () => {
  await Promise.all(fixtures.map((fixture) => fixture.close()));
  fixtures = [];
});

async function fixtureOn(host: string, options: Partial<FixtureOptions> = {}) {
  const fixture = await createSigningFixture({ redisUrl, host, ...options });
  fixtures.push(fixture);
  return fixture;
}

const tag = 'v1';
// What the rules say of the key; it signs by itself all the same.
const underQuota = keySource('http://127.0.0.1:1');

async function pushed(
  host: string,
  repository = uniqueRepository(),
  kind: Parameters<typeof pushImage>[0]['kind'] = 'oci-manifest',
) {
  return { repository, image: await pushImage({ host, repository, tag, kind }) };
}

/** One image under several tags. */
async function pushUnder(host: string, repository: string, tags: readonly string[]) {
  const image = await pushImage({ host, repository, tag, kind: 'oci-manifest' });
  for (const name of tags) await putManifest({ host, repository }, name, image.mediaType, image.manifest);
  return image;
}

function sign(fixture: SigningFixture, repository: string, more: Partial<SignImageTools> = {}, at = tag) {
  return signImage({ registry: fixture.registry, repository, tag: at, cause: 'test' }, { ...fixture.tools, ...more });
}

function statuses(result: Awaited<ReturnType<typeof sign>>) {
  return result.outcome.status === 'examined'
    ? result.outcome.intents.map(({ status }) => status)
    : result.outcome.status;
}

describe.each(hosts)('over %s', (_name, host) => {
  test('signs an image, and finds its own signature the next time', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);

    expect(statuses(await sign(fixture, repository))).toEqual(['signed']);
    expect(statuses(await sign(fixture, repository))).toEqual(['already-signed']);

    expect(fixture.calls).toHaveLength(1);
    expect(await fixture.store.list(repository, image.digest)).toHaveLength(1);
    expect(fixture.audited.map(({ kind, outcome }) => outcome ?? kind)).toEqual(['intent', 'made', 'signed']);
  });

  test('ten workers at once leave one signature', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);

    await Promise.all(Array.from({ length: 10 }, () => sign(fixture, repository)));

    expect(await fixture.store.list(repository, image.digest)).toHaveLength(1);
  });

  test('ten tags of one digest at once, in mode default, leave ten signatures', async () => {
    const fixture = await fixtureOn(host);
    const repository = uniqueRepository();
    const tags = Array.from({ length: 10 }, (_, index) => `v${index}`);
    const image = await pushUnder(host, repository, tags);

    const results = await Promise.all(tags.map((name) => sign(fixture, repository, {}, name)));

    expect(results.flatMap(statuses)).toEqual(tags.map(() => 'signed'));
    expect(await fixture.store.list(repository, image.digest)).toHaveLength(10);
  });

  test('in mode minimal ten tags of one digest leave one signature', async () => {
    const fixture = await fixtureOn(host, { mode: 'minimal' });
    const repository = uniqueRepository();
    const tags = Array.from({ length: 10 }, (_, index) => `v${index}`);
    const image = await pushUnder(host, repository, tags);

    await Promise.all(tags.map((name) => sign(fixture, repository, {}, name)));

    expect(await fixture.store.list(repository, image.digest)).toHaveLength(1);
  });

  test('a worker that died before its push leaves its bytes to the next one', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    const dying: SignatureStore = {
      ...fixture.store,
      push: () => Promise.reject(new Error('the process is gone')),
    };
    await expect(sign(fixture, repository, { stores: { ...fixture.stores, referrers: dying } })).rejects.toThrow(
      'the process is gone',
    );

    expect(statuses(await sign(fixture, repository))).toEqual(['signed']);

    expect(fixture.calls).toHaveLength(1);
    expect(await fixture.store.list(repository, image.digest)).toHaveLength(1);
  });

  test('never signs its own signature, nor the index that lists it, under whatever tag', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    await sign(fixture, repository);
    const [signature] = await fixture.store.list(repository, image.digest);
    const manifest = await fixture.client.getManifest(repository, signature?.digest ?? '');
    const index = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [signature],
    };
    await putManifest({ host, repository }, 'v2', manifest.descriptor.mediaType, manifest.bytes);
    await putManifest({ host, repository }, 'v3', index.mediaType, Buffer.from(JSON.stringify(index)));

    expect(statuses(await sign(fixture, repository, {}, 'v2'))).toBe('not-an-image');
    expect(statuses(await sign(fixture, repository, {}, 'v3'))).toBe('not-an-image');
    expect(fixture.calls).toHaveLength(1);
  });
});

describe('decides on what the registry holds', () => {
  const host = inject('fallbackHost');

  test('signs what the tag points at and calls the event superseded when it named another digest', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);

    const request = {
      registry: fixture.registry,
      repository,
      tag,
      cause: 'test',
      eventDigest: `sha256:${'0'.repeat(64)}` as const,
    };
    const { outcome } = await signImage(request, fixture.tools);

    expect(outcome).toMatchObject({ status: 'examined', digest: image.digest, superseded: true });
  });

  test('ends quietly when the tag is gone', async () => {
    const fixture = await fixtureOn(host);
    expect(statuses(await sign(fixture, uniqueRepository()))).toBe('gone');
  });

  test('signs only what the tag points at after a wait for quota', async () => {
    const fixture = await fixtureOn(host, { source: underQuota });
    const { repository, image: first } = await pushed(host);
    let second: typeof first | undefined;
    const quota: Quota = {
      take: async () => {
        if (second !== undefined) return { waited: false, finish: () => undefined };
        second = await pushImage({ host, repository, tag, kind: 'oci-manifest', seed: 'second' });
        return { waited: true, finish: () => undefined };
      },
    };

    const { outcome } = await sign(fixture, repository, { quota });

    expect(outcome).toMatchObject({ status: 'examined', digest: second?.digest });
    expect(await fixture.store.list(repository, first.digest)).toEqual([]);
    expect(fixture.calls).toHaveLength(1);
  });

  test('signs nothing when the tag is deleted during a wait for quota', async () => {
    const fixture = await fixtureOn(host, { source: underQuota });
    const { repository, image } = await pushed(host);
    const quota: Quota = {
      take: async () => {
        await fetch(`http://${host}/v2/${repository}/manifests/${image.digest}`, { method: 'DELETE' });
        return { waited: true, finish: () => undefined };
      },
    };

    expect(statuses(await sign(fixture, repository, { quota }))).toBe('gone');
    expect(fixture.calls).toEqual([]);
  });

  test('leaves a denied digest, and an index that contains it, unsigned', async () => {
    const repository = uniqueRepository();
    const image = await pushImage({ host, repository, tag, kind: 'oci-index' });
    const [child] = image.children;
    const entry = { reason: 'leaked', until: undefined, origin: { file: 'rules.yaml', line: 1 } };
    for (const digest of [image.digest, child?.digest ?? image.digest]) {
      const fixture = await fixtureOn(host, { deny: [{ ...entry, digest }] });
      expect(statuses(await sign(fixture, repository))).toBe('denied');
      expect(fixture.calls).toEqual([]);
    }
  });

  test('waits while the baseline of a rule is not complete, then ignores what stood before and signs what came later', async () => {
    const fixture = await fixtureOn(host, { rule: { existing: 'ignore' } });
    const { repository, image } = await pushed(host);
    const identity = ruleIdentity(fixture.ruleSet, fixture.rule);
    expect(statuses(await sign(fixture, repository))).toEqual(['waiting']);

    await fixture.tools.baseline.enter(identity, { registry: 'lab', repository, tag }, image.digest);
    const { baseline } = fixture.tools;
    await baseline.complete(identity, 'lab', await baseline.begin(identity, 'lab'));
    expect(statuses(await sign(fixture, repository))).toEqual(['existing']);

    await pushImage({ host, repository, tag, kind: 'oci-manifest', seed: 'newer' });
    expect(statuses(await sign(fixture, repository))).toEqual(['signed']);
  });

  test('only looks when the rule is in state audit', async () => {
    const fixture = await fixtureOn(host, { rule: { state: 'audit' } });
    const { repository } = await pushed(host);
    expect(statuses(await sign(fixture, repository))).toEqual(['audit']);
    expect(fixture.calls).toEqual([]);
  });

  test('makes one signature for two rules that demand the same, and two for two modes', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    const rules = [
      fixture.rule,
      { ...fixture.rule, name: 'again' },
      { ...fixture.rule, name: 'minimal', mode: 'minimal' as const },
    ];

    const { outcome } = await sign(fixture, repository, { ruleSet: { ...fixture.ruleSet, rules } });

    expect(outcome).toMatchObject({ intents: [{ rules: ['release-images', 'again'] }, { rules: ['minimal'] }] });
    expect(await fixture.store.list(repository, image.digest)).toHaveLength(2);
  });

  test('waits for a paused key and says why', async () => {
    const fixture = await fixtureOn(host);
    const { repository } = await pushed(host);
    const keyRing = { get: () => ({ state: 'paused' as const, reason: 'its certificate ended' }) };

    const { outcome } = await sign(fixture, repository, { keyRing });

    expect(outcome).toMatchObject({
      intents: [{ status: 'waiting', reason: expect.stringContaining('certificate ended') }],
    });
  });
});

test('signs nothing under a tag of signatures, though an image stands there and somebody queued it', async () => {
  const host = inject('fallbackHost');
  const fixture = await fixtureOn(host);
  const { repository, image } = await pushed(host);
  for (const suffix of ['', '.sig', '.sbom']) {
    const name = `sha256-${'0'.repeat(64)}${suffix}`;
    await putManifest({ host, repository }, name, image.mediaType, image.manifest);
    expect(statuses(await sign(fixture, repository, {}, name))).toBe('not-an-image');
  }
  expect(fixture.calls).toEqual([]);
});

test('a listed signature with a wrong size keeps no image from being signed', async () => {
  const host = inject('fallbackHost');
  const fixture = await fixtureOn(host);
  const { repository, image } = await pushed(host);
  await sign(fixture, repository);
  const [signature] = await fixture.store.list(repository, image.digest);
  const { bytes } = await fixture.client.getManifest(repository, signature?.digest ?? '');
  const manifest = JSON.parse(Buffer.from(bytes).toString());
  manifest.layers[0].size += 1;
  const wrong = Buffer.from(JSON.stringify(manifest));
  const answer = await putManifest({ host, repository }, 'wrong', manifest.mediaType, wrong);
  const entry = { ...signature, digest: answer.headers.get('docker-content-digest'), size: wrong.length };
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [entry] };
  const fallbackTag = image.digest.replace(':', '-');
  await putManifest({ host, repository }, fallbackTag, index.mediaType, Buffer.from(JSON.stringify(index)));

  expect(statuses(await sign(fixture, repository))).toEqual(['signed']);
});

describe('the audit file', () => {
  const host = inject('fallbackHost');

  /** The fixture's key ring with a signer in between. */
  function ringWith(fixture: SigningFixture, sign: Signer['sign']) {
    const ready = fixture.tools.keyRing.get('release');
    if (ready.state !== 'ready') throw new Error('not ready');
    return { get: () => ({ state: 'ready' as const, signingKey: { ...ready.signingKey, signer: { sign } } }) };
  }

  test('has a line before the key is asked and lines after it, with what made us look and what was used', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    const linesBefore: number[] = [];
    const keyRing = ringWith(fixture, async (...asked) => {
      linesBefore.push(fixture.audited.length);
      return { ...(await fixture.signer.sign(...asked)), requestId: 'REQUEST-1' };
    });
    const eventDigest = digestOf(Buffer.from('another image'));
    const request = { registry: fixture.registry, repository, tag, eventDigest };
    const causedAt = '2026-01-02T03:04:05.000Z';

    await signImage({ ...request, cause: 'push', causedAt }, { ...fixture.tools, keyRing });

    const [artifact] = await fixture.store.list(repository, image.digest);
    const ready = fixture.tools.keyRing.get('release');
    const always = {
      intent: expect.stringMatching(/^[0-9a-f]{64}$/),
      event: { kind: 'push', at: causedAt, digest: eventDigest },
      registry: 'lab',
      repository,
      tag,
      digest: image.digest,
      rules: ['release-images'],
      rulesHash: fixture.ruleSet.hash,
      key: 'release',
      publicKeySha256: ready.state === 'ready' && ready.signingKey.publicKeySha256,
      certificateSha256: ready.state === 'ready' && ready.signingKey.certificateSha256,
      format: 'notation',
    };
    expect(linesBefore).toEqual([1]);
    expect(fixture.audited).toMatchObject([
      { kind: 'intent', ...always },
      { kind: 'outcome', outcome: 'made', requestId: 'REQUEST-1', artifact: artifact?.digest, ...always },
      { kind: 'outcome', outcome: 'signed', artifact: artifact?.digest, ...always },
    ]);
  });

  test('names the request of a call that failed', async () => {
    const fixture = await fixtureOn(host);
    const { repository } = await pushed(host);
    const throttled = new AutosignError('kms-throttled', 'too many', { requestId: 'REQUEST-2' });
    await sign(fixture, repository, { keyRing: ringWith(fixture, () => Promise.reject(throttled)) });
    expect(fixture.audited).toMatchObject([
      { kind: 'intent' },
      { kind: 'outcome', outcome: 'failed', code: 'kms-throttled', requestId: 'REQUEST-2' },
    ]);
  });

  test('names the request whose answer was no signature of this key', async () => {
    const fixture = await fixtureOn(host);
    const { repository } = await pushed(host);
    const other = signingKey('EC_P256', 'other').signer;
    const keyRing = ringWith(fixture, async (...asked) => ({
      ...(await other.sign(...asked)),
      requestId: 'REQUEST-3',
    }));
    await sign(fixture, repository, { keyRing });
    expect(fixture.audited.at(-1)).toMatchObject({
      outcome: 'failed',
      code: 'signature-invalid',
      requestId: 'REQUEST-3',
    });
  });
});

describe('pushes nothing that is not what the intent demands', () => {
  const host = inject('fallbackHost');

  test('refuses what the key answered when another key signed it, and stores nothing', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    const other = signingKey('EC_P256', 'other').signer;
    const ready = fixture.tools.keyRing.get('release');
    if (ready.state !== 'ready') throw new Error('not ready');
    const keyRing = { get: () => ({ state: 'ready' as const, signingKey: { ...ready.signingKey, signer: other } }) };

    const { failures } = await sign(fixture, repository, { keyRing });

    expect(failures).toMatchObject([{ error: { code: 'signature-invalid' } }]);
    expect(await fixture.store.list(repository, image.digest)).toEqual([]);
    expect(await fixture.redis.keys(`${fixture.prefix}:intent:*`)).toEqual([]);
    expect(fixture.audited.at(-1)).toMatchObject({ outcome: 'failed', code: 'signature-invalid' });
  });

  test.each([
    ['garbage', async () => Buffer.from('garbage')],
    [
      "another image's signature",
      async (fixture: SigningFixture) => {
        const { repository } = await pushed(host);
        await sign(fixture, repository);
        const [stored = ''] = await fixture.redis.keys(`${fixture.prefix}:intent:*`);
        const bytes = await fixture.redis.getBuffer(stored);
        await fixture.redis.del(stored);
        return bytes ?? Buffer.alloc(0);
      },
    ],
  ])('refuses %s that somebody put into Redis as its artifact', async (_name, forge) => {
    const fixture = await fixtureOn(host);
    const forged = await forge(fixture);
    const { repository, image } = await pushed(host);
    const intents = { get: async () => forged, putIfAbsent: async () => forged };

    const { failures } = await sign(fixture, repository, { intents });

    expect(failures).toMatchObject([{ error: { code: 'intent-conflict' } }]);
    expect(await fixture.store.list(repository, image.digest)).toEqual([]);
  });

  test('refuses what somebody else was first to put into Redis while the signature was made, unless it is one', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    const intents = { get: async () => undefined, putIfAbsent: async () => Buffer.from('garbage') };

    const { failures } = await sign(fixture, repository, { intents });

    expect(failures).toMatchObject([{ error: { code: 'intent-conflict' } }]);
    expect(await fixture.store.list(repository, image.digest)).toEqual([]);
  });

  test('asks no key when the audit file cannot be written', async () => {
    const fixture = await fixtureOn(host);
    const { repository } = await pushed(host);
    const audit = {
      write: () => Promise.reject(new AutosignError('audit-unwritable', 'full')),
      close: async () => undefined,
    };

    const result = await sign(fixture, repository, { audit });

    expect(statuses(result)).toEqual(['waiting']);
    expect(result.failures).toMatchObject([{ error: { code: 'audit-unwritable' } }]);
    expect(fixture.calls).toEqual([]);
  });

  test.each([
    ['asked', undefined],
    ['read after the push', []],
  ])('calls nothing signed that the registry does not list when %s', async (_, listedAfterPush) => {
    const fixture = await fixtureOn(host);
    const { repository } = await pushed(host);
    const push: SignatureStore['push'] = async (...pushed) => {
      await fixture.store.push(...pushed);
      return listedAfterPush;
    };
    const forgetful = { ...fixture.store, push, list: async () => [] };

    const { failures } = await sign(fixture, repository, { stores: { ...fixture.stores, referrers: forgetful } });

    expect(failures).toMatchObject([{ error: { code: 'signature-not-found' } }]);
    expect(fixture.audited.at(-1)).not.toMatchObject({ outcome: 'signed' });
  });

  test('signs again when somebody deleted the signature, with the bytes that were stored', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    await sign(fixture, repository);
    const empty = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] };
    await putManifest(
      { host, repository },
      image.digest.replace(':', '-'),
      empty.mediaType,
      Buffer.from(JSON.stringify(empty)),
    );

    expect(statuses(await sign(fixture, repository))).toEqual(['signed']);
    expect(await fixture.store.list(repository, image.digest)).toHaveLength(1);
    expect(fixture.calls).toHaveLength(1);
  });

  describe('when somebody deleted the manifest of a signature that the fallback index still lists', () => {
    const remove = async (repository: string, digest = '') => {
      const answer = await fetch(`http://${host}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
      expect(answer.status).toBe(202);
    };

    test('lists the stored bytes again, once', async () => {
      const fixture = await fixtureOn(host);
      const { repository, image } = await pushed(host);
      await sign(fixture, repository);
      const [first] = await fixture.store.list(repository, image.digest);
      await remove(repository, first?.digest);

      expect(statuses(await sign(fixture, repository))).toEqual(['signed']);

      expect((await fixture.store.list(repository, image.digest)).map(({ digest }) => digest)).toEqual([first?.digest]);
      expect(fixture.calls).toHaveLength(1);
    });

    test('takes the entry out when the stored bytes are gone too, and leaves the entries of others', async () => {
      const fixture = await fixtureOn(host);
      const { repository, image } = await pushed(host);
      await sign(fixture, repository);
      const [first] = await fixture.store.list(repository, image.digest);
      const index = await fixture.client.getManifest(repository, image.digest.replace(':', '-'));
      const { manifests, ...rest } = JSON.parse(Buffer.from(index.bytes).toString());
      const foreign = {
        mediaType: image.mediaType,
        digest: image.digest,
        size: image.manifest.byteLength,
        note: 'ours',
      };
      const listing = Buffer.from(JSON.stringify({ ...rest, note: 'kept', manifests: [foreign, ...manifests] }));
      await putManifest({ host, repository }, image.digest.replace(':', '-'), index.descriptor.mediaType, listing);
      await remove(repository, first?.digest);
      await fixture.redis.del(await fixture.redis.keys(`${fixture.prefix}:*`));

      expect(statuses(await sign(fixture, repository))).toEqual(['signed']);

      const after = await fixture.client.getManifest(repository, image.digest.replace(':', '-'));
      const document = JSON.parse(Buffer.from(after.bytes).toString());
      expect(document).toMatchObject({ note: 'kept', manifests: [foreign, { annotations: expect.anything() }] });
      expect(document.manifests).toHaveLength(2);
      expect(document.manifests[1].digest).not.toBe(first?.digest);
    });

    test('mends the list also where another signature counts', async () => {
      const fixture = await fixtureOn(host, { mode: 'minimal' });
      const { repository, image } = await pushed(host);
      await sign(fixture, repository);
      const [first] = await fixture.store.list(repository, image.digest);
      await fixture.redis.del(await fixture.redis.keys(`${fixture.prefix}:*`));
      await sign(fixture, repository, {
        stores: { ...fixture.stores, referrers: { ...fixture.store, list: listOnceEmpty(fixture.store.list) } },
      });
      expect(await fixture.store.list(repository, image.digest)).toHaveLength(2);
      await remove(repository, first?.digest);

      expect(statuses(await sign(fixture, repository))).toEqual(['already-signed']);

      const listed = await fixture.store.list(repository, image.digest);
      expect(listed.map(({ digest }) => digest)).toEqual([expect.not.stringContaining(first?.digest ?? '')]);
    });
  });
});

/** Lists nothing the first time, as a registry without any signature. */
function listOnceEmpty(
  list: SignImageTools['stores']['referrers']['list'],
): SignImageTools['stores']['referrers']['list'] {
  let asked = false;
  return async (...image) => {
    if (asked) return await list(...image);
    asked = true;
    return [];
  };
}
