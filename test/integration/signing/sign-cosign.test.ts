import { afterEach, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { putManifest } from '../../../infra/images/registry-upload.ts';
import type { SignatureStore } from '../../../src/ports/signature-store.ts';
import { type SignImageTools, signImage } from '../../../src/signing/sign-image.ts';
import { signWithCosign } from '../../support/cosign-artifacts.ts';
import { uniqueRepository } from '../../support/names.ts';
import { createSigningFixture, type FixtureOptions, type SigningFixture } from '../../support/signing-fixture.ts';
import { signingKey } from '../../support/signing-keys.ts';

const redisUrl = inject('redisUrl');
const fallbackHost = inject('fallbackHost');
const referrersHost = inject('referrersHost');
const hosts = [fallbackHost, ...(referrersHost === undefined ? [] : [referrersHost])];
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const tag = 'v1';

let fixtures: SigningFixture[] = [];
afterEach(async () => {
  await Promise.all(fixtures.map((fixture) => fixture.close()));
  fixtures = [];
});

async function fixtureOn(host: string, { rule, ...options }: Partial<FixtureOptions> = {}) {
  const fixture = await createSigningFixture({ redisUrl, host, ...options, rule: { formats: ['cosign'], ...rule } });
  fixtures.push(fixture);
  return fixture;
}

/** One image under several tags. */
async function pushed(host: string, tags: readonly string[] = []) {
  const repository = uniqueRepository();
  const image = await pushImage({ host, repository, tag, kind: 'oci-manifest' });
  for (const name of tags) await putManifest({ host, repository }, name, image.mediaType, image.manifest);
  return { repository, image, sigTag: `${image.digest.replace(':', '-')}.sig` };
}

function sign(fixture: SigningFixture, repository: string, more: Partial<SignImageTools> = {}, at = tag) {
  return signImage({ registry: fixture.registry, repository, tag: at, cause: 'test' }, { ...fixture.tools, ...more });
}

function statuses(result: Awaited<ReturnType<typeof sign>>) {
  return result.outcome.status === 'examined'
    ? result.outcome.intents.map(({ format, status }) => `${format} ${status}`)
    : result.outcome.status;
}

const listed = (fixture: SigningFixture, repository: string, { digest }: { digest: `sha256:${string}` }) =>
  fixture.stores['cosign-tag'].list(repository, digest);

const tenTags = Array.from({ length: 10 }, (_, index) => `t${index}`);

describe.each(hosts)('on %s', (host) => {
  test('signs an image, and finds its own signature the next time', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);

    expect(statuses(await sign(fixture, repository))).toEqual(['cosign signed']);
    expect(statuses(await sign(fixture, repository))).toEqual(['cosign already-signed']);

    expect(fixture.calls).toHaveLength(1);
    expect(await listed(fixture, repository, image)).toHaveLength(1);
    expect(await fixture.store.list(repository, image.digest)).toEqual([]);
    expect(fixture.audited.map(({ kind, outcome }) => outcome ?? kind)).toEqual(['intent', 'made', 'signed']);
    expect(fixture.audited[0]).toMatchObject({ format: 'cosign', certificateSha256: undefined });
  });

  test('ten workers at once leave one signature', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    await Promise.all(Array.from({ length: 10 }, () => sign(fixture, repository)));
    expect(await listed(fixture, repository, image)).toHaveLength(1);
  });

  test.each([
    ['default', 10],
    ['minimal', 1],
  ] as const)('ten tags of one digest at once, in mode %s, leave %i layers', async (mode, layers) => {
    const fixture = await fixtureOn(host, { mode });
    const { repository, image } = await pushed(host, tenTags);
    const results = await Promise.all(tenTags.map((name) => sign(fixture, repository, {}, name)));
    expect(results.flatMap(({ failures }) => failures)).toEqual([]);
    expect(await listed(fixture, repository, image)).toHaveLength(layers);
  });

  test('one key makes both formats, ten tags at once', async () => {
    const fixture = await fixtureOn(host, { rule: { formats: ['notation', 'cosign'] } });
    const { repository, image } = await pushed(host, tenTags);
    const results = await Promise.all(tenTags.map((name) => sign(fixture, repository, {}, name)));
    expect(results.flatMap(statuses)).toEqual(tenTags.flatMap(() => ['notation signed', 'cosign signed']));
    expect(await listed(fixture, repository, image)).toHaveLength(10);
    expect(await fixture.store.list(repository, image.digest)).toHaveLength(10);
    expect(fixture.calls).toHaveLength(20);
  });

  test('a worker that died before its push leaves its bytes to the next one', async () => {
    const fixture = await fixtureOn(host);
    const { repository, image } = await pushed(host);
    const dying: SignatureStore = {
      ...fixture.stores['cosign-tag'],
      push: () => Promise.reject(new Error('the process is gone')),
    };
    const stores = { ...fixture.stores, 'cosign-tag': dying };
    await expect(sign(fixture, repository, { stores })).rejects.toThrow('the process is gone');

    expect(statuses(await sign(fixture, repository))).toEqual(['cosign signed']);

    expect(fixture.calls).toHaveLength(1);
    expect(await listed(fixture, repository, image)).toHaveLength(1);
  });

  test('never signs the manifest that holds signatures, under whatever tag', async () => {
    const fixture = await fixtureOn(host);
    const { repository, sigTag } = await pushed(host);
    await sign(fixture, repository);
    const manifest = await fixture.client.getManifest(repository, sigTag);
    await putManifest({ host, repository }, 'v2', manifest.descriptor.mediaType, manifest.bytes);
    expect(statuses(await sign(fixture, repository, {}, sigTag))).toBe('not-an-image');
    expect(statuses(await sign(fixture, repository, {}, 'v2'))).toBe('not-an-image');
    expect(fixture.calls).toHaveLength(1);
  });
});

test('signs again with the stored bytes when somebody took the signature away', async () => {
  const fixture = await fixtureOn(fallbackHost);
  const { repository, image, sigTag } = await pushed(fallbackHost);
  await sign(fixture, repository);
  const before = await listed(fixture, repository, image);
  const { bytes } = await fixture.client.getManifest(repository, sigTag);
  const emptied = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(bytes).toString()), layers: [] }));
  await putManifest({ host: fallbackHost, repository }, sigTag, ociManifest, emptied);

  expect(statuses(await sign(fixture, repository))).toEqual(['cosign signed']);
  expect(await listed(fixture, repository, image)).toEqual(before);
  expect(fixture.calls).toHaveLength(1);
});

test('a signature of the same payload by another key does not count, and stays', async () => {
  const fixture = await fixtureOn(fallbackHost);
  const { repository, image } = await pushed(fallbackHost);
  const { digest, mediaType, size } = image;
  const foreign = await signWithCosign(signingKey('EC_P256', 'stranger'), {
    subject: { digest, mediaType, size },
    binding: { mode: 'default', repository: `registry.example.com/${repository}`, tag },
  });
  await fixture.stores['cosign-tag'].push(repository, image, foreign);

  expect(statuses(await sign(fixture, repository))).toEqual(['cosign signed']);

  const layers = await listed(fixture, repository, image);
  expect(layers).toHaveLength(2);
  expect(layers[0]).toEqual(foreign.descriptor);
  expect(layers[1]?.digest).toBe(foreign.descriptor.digest);
});

test('a tag of cosign that cannot be read fails that format alone, and is not written over', async () => {
  const fixture = await fixtureOn(fallbackHost, { rule: { formats: ['notation', 'cosign'] } });
  const { repository, image, sigTag } = await pushed(fallbackHost);
  await putManifest({ host: fallbackHost, repository }, sigTag, image.mediaType, image.manifest);
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] };
  await putManifest({ host: fallbackHost, repository }, sigTag, index.mediaType, Buffer.from(JSON.stringify(index)));

  const result = await sign(fixture, repository);

  expect(statuses(result)).toEqual(['cosign failed', 'notation signed']);
  expect(result.failures).toMatchObject([{ error: { code: 'referrers-incomplete' } }]);
  expect((await fixture.client.getManifest(repository, sigTag)).descriptor.mediaType).toBe(index.mediaType);
});

test('what a registry shows under cosign’s tag and does not keep is not called signed', async () => {
  const fixture = await fixtureOn(fallbackHost);
  const { repository } = await pushed(fallbackHost);
  const real = fixture.stores['cosign-tag'];
  const push: SignatureStore['push'] = async (...pushed) => {
    await real.push(...pushed);
    return undefined;
  };
  const stores = { ...fixture.stores, 'cosign-tag': { ...real, push, list: async () => [] } };
  const { failures } = await sign(fixture, repository, { stores });
  expect(failures).toMatchObject([{ error: { code: 'signature-not-found' } }]);
  expect(fixture.audited.at(-1)).not.toMatchObject({ outcome: 'signed' });
});

test('another signature of the same key over the same payload is not taken for the one that was pushed', async () => {
  const fixture = await fixtureOn(fallbackHost);
  const { repository, image } = await pushed(fallbackHost);
  const real = fixture.stores['cosign-tag'];
  const { digest, mediaType, size } = image;
  const subject = { digest, mediaType, size };
  const binding = { mode: 'default', repository: `registry.example.com/${repository}`, tag } as const;
  const other = await signWithCosign(signingKey('EC_P256'), { subject, binding });
  const losing: SignatureStore = { ...real, push: () => real.push(repository, subject, other) };
  const { failures } = await sign(fixture, repository, { stores: { ...fixture.stores, 'cosign-tag': losing } });
  expect(failures).toMatchObject([{ error: { code: 'signature-not-found' } }]);
  expect(statuses(await sign(fixture, repository))).toEqual(['cosign already-signed']);
});

describe('pushes nothing that is not what the intent demands', () => {
  test('refuses what the key answered when it is a PSS signature, and stores nothing', async () => {
    const { signer } = signingKey('RSA_2048');
    const fixture = await fixtureOn(fallbackHost, { spec: 'RSA_2048', rule: { algorithm: 'RSA_PKCS1_SHA_256' } });
    const { repository, image } = await pushed(fallbackHost);
    const ready = fixture.tools.keyRing.get('release', 'cosign');
    if (ready.state !== 'ready') throw new Error('not ready');
    const signingKeyOfPss = {
      ...ready.signingKey,
      signer: { sign: (_: unknown, message: Uint8Array) => signer.sign('RSA_PSS_SHA_256', message) },
    };
    const keyRing = { get: () => ({ state: 'ready' as const, signingKey: signingKeyOfPss }) };

    const { failures } = await sign(fixture, repository, { keyRing });

    expect(failures).toMatchObject([{ error: { code: 'signature-invalid' } }]);
    expect(await listed(fixture, repository, image)).toEqual([]);
    expect(await fixture.redis.keys(`${fixture.prefix}:intent:*`)).toEqual([]);
  });

  test.each<[string, (stored: LayerRecord, fixture: SigningFixture, repository: string) => unknown]>([
    ['no artifact', () => ({ garbage: true })],
    ['a signature by another key', async (stored) => ({ ...stored, annotations: await strangersAnnotations(stored) })],
    ['a signature with one byte changed', (stored) => ({ ...stored, annotations: changedAnnotations(stored) })],
    ['the signature of another tag', (_, fixture, repository) => storedFor(fixture, repository, 'v2')],
    ['a Notary Project signature', (_, fixture, repository) => storedFor(fixture, repository, tag, ['notation'])],
  ])('refuses %s that somebody put into Redis as its artifact', async (_name, forge) => {
    const fixture = await fixtureOn(fallbackHost);
    const { repository, image } = await pushed(fallbackHost, ['v2']);
    const stored = await storedFor(fixture, repository, tag);
    const bytes = Buffer.from(JSON.stringify(await forge(stored, fixture, repository)));
    const holding = (kept: Uint8Array) => ({ intents: { get: async () => kept, putIfAbsent: async () => kept } });

    const { failures } = await sign(fixture, repository, holding(bytes));

    expect(failures).toMatchObject([{ error: { code: 'intent-conflict' } }]);
    expect(await listed(fixture, repository, image)).toEqual([]);
    const unchanged = await sign(fixture, repository, holding(Buffer.from(JSON.stringify(stored))));
    expect(statuses(unchanged)).toEqual(['cosign signed']);
  });
});

interface LayerRecord {
  readonly layer: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a worker that died before its push left in Redis for this tag. */
async function storedFor(
  fixture: SigningFixture,
  repository: string,
  at: string,
  formats = fixture.rule.formats,
): Promise<LayerRecord> {
  const ruleSet = { ...fixture.ruleSet, rules: [{ ...fixture.rule, formats }] };
  const dead: SignatureStore = { ...fixture.store, push: () => Promise.reject(new Error('the process is gone')) };
  const before = await fixture.redis.keys(`${fixture.prefix}:intent:*`);
  await sign(fixture, repository, { ruleSet, stores: { referrers: dead, 'cosign-tag': dead } }, at).catch(
    () => undefined,
  );
  const [name = ''] = (await fixture.redis.keys(`${fixture.prefix}:intent:*`)).filter((key) => !before.includes(key));
  return JSON.parse((await fixture.redis.get(name)) ?? '');
}

const signatureKey = 'dev.cosignproject.cosign/signature';

async function strangersAnnotations({ layer }: LayerRecord): Promise<Record<string, string>> {
  const stranger = signingKey('EC_P256', 'stranger').signer;
  const { signature } = await stranger.sign('ECDSA_SHA_256', Buffer.from(layer, 'base64'));
  return { [signatureKey]: Buffer.from(signature).toString('base64') };
}

function changedAnnotations({ annotations }: LayerRecord): Record<string, string> {
  const signature = Buffer.from(annotations[signatureKey] ?? '', 'base64');
  signature.writeUInt8(signature.readUInt8(20) ^ 1, 20);
  return { [signatureKey]: signature.toString('base64') };
}
