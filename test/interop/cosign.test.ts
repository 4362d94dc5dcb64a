import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type ImageKind, pushImage } from '../../infra/images/push-image.ts';
import { putManifest } from '../../infra/images/registry-upload.ts';
import { cosign } from '../../src/formats/cosign.ts';
import { signImage } from '../../src/signing/sign-image.ts';
import { sample } from '../emulator/sample-config.ts';
import { startAccount } from '../integration/alibaba/account.ts';
import { type ContainersImage, startContainersImage } from '../support/containers-image.ts';
import { uniqueRepository } from '../support/names.ts';
import { startNotationVerifier } from '../support/notation-verifier.ts';
import { cosignAt } from '../support/run-cosign.ts';
import { createSigningFixture, type FixtureOptions, type SigningFixture } from '../support/signing-fixture.ts';
import { signingKey } from '../support/signing-keys.ts';
import { type CosignTampering, layersOf, type SignedImage, tamper } from './cosign-tag.ts';

const cosignPath = inject('cosignPath');
const fallbackHost = inject('fallbackHost');
const registries = [
  { registry: 'docker-registry', host: fallbackHost },
  { registry: 'go-containerregistry', host: inject('referrersHost') ?? '' },
];
const keys = [
  { spec: 'RSA_2048', algorithm: 'RSA_PKCS1_SHA_256' },
  { spec: 'EC_P256', algorithm: 'ECDSA_SHA_256' },
] as const;
const modes = ['default', 'minimal'] as const;
const kinds: readonly ImageKind[] = ['oci-manifest', 'oci-index', 'docker-manifest'];
const tag = 'v1';

/** cosign 2.6.5, and containers/image 5.36.2 on which Podman, Skopeo and CRI-O rest, are the judges. */
describe.skipIf(cosignPath === undefined)('cosign and containers/image', () => {
  let directory: string;
  let containersImage: ContainersImage;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'autosign-cosign-'));
    containersImage = await startContainersImage(inject('containersImagePath') ?? '');
    for (const { spec } of keys) await writeFile(join(directory, `${spec}.pem`), signingKey(spec).publicKeyPem);
  });
  afterAll(async () => {
    await containersImage.stop();
    await rm(directory, { recursive: true, force: true });
  });
  const publicKeyOf = (spec: string) => join(directory, `${spec}.pem`);
  const judge = () => cosignAt(cosignPath ?? '', directory);
  const referenceOf = ({ host, repository }: SignedImage, name = tag) => `${host}/${repository}:${name}`;

  /** The identity that is signed is the address that the judges use. */
  function openFixture(options: Pick<FixtureOptions, 'host'> & Partial<FixtureOptions>) {
    const { host, rule } = options;
    const redisUrl = inject('redisUrl');
    return createSigningFixture({ redisUrl, identityHost: host, ...options, rule: { formats: ['cosign'], ...rule } });
  }

  async function pushTo(fixture: SigningFixture, kind: ImageKind): Promise<SignedImage> {
    const place = { host: fixture.client.host, repository: uniqueRepository() };
    return { ...place, digest: (await pushImage({ ...place, tag, kind })).digest };
  }

  function sign(fixture: SigningFixture, { repository }: SignedImage, name = tag) {
    return signImage({ registry: fixture.registry, repository, tag: name, cause: 'test' }, fixture.tools);
  }

  const combinations = registries.flatMap((registry) =>
    keys.flatMap((key) => modes.map((mode) => ({ ...registry, ...key, mode }))),
  );

  describe.each(combinations)('$registry, $algorithm, mode $mode', ({ host, spec, algorithm, mode }) => {
    let fixture: SigningFixture;
    beforeAll(async () => {
      fixture = await openFixture({ host, spec, mode, rule: { algorithm } });
    });
    afterAll(() => fixture.close());

    const pull = (reference: string, type: 'matchRepository' | 'matchRepoDigestOrExact') =>
      containersImage.ask({ reference, publicKey: publicKeyOf(spec), identity: { type } });

    test.each(kinds)('accept the signature of an image of kind %s', async (kind) => {
      const image = await pushTo(fixture, kind);
      await sign(fixture, image);
      const reference = referenceOf(image);
      expect(await judge().verify(reference, publicKeyOf(spec))).toMatchObject({ ok: true });
      expect(await pull(reference, 'matchRepository')).toEqual({ id: expect.anything(), ok: true });
      expect((await pull(reference, 'matchRepoDigestOrExact')).ok).toBe(mode === 'default');
    });

    const tamperings: readonly CosignTampering[] = ['signature', "payload's reference", "payload's digest"];
    test.each(tamperings)('reject it after one byte of the %s is changed', async (tampering) => {
      const image = await pushTo(fixture, 'oci-manifest');
      await sign(fixture, image);
      await tamper(image, tampering);
      expect(await judge().verify(referenceOf(image), publicKeyOf(spec))).toEqual({
        ok: false,
        text: expect.stringMatching(/no matching signatures: (crypto\/rsa: verification error|invalid signature)/),
      });
      expect(await pull(referenceOf(image), 'matchRepository')).toMatchObject({
        ok: false,
        error: expect.stringContaining('cryptographic signature verification failed'),
      });
    });

    if (mode === 'default') {
      test('containers/image refuses it for another tag of the same digest', async () => {
        const image = await pushTo(fixture, 'oci-manifest');
        await sign(fixture, image);
        const { descriptor, bytes } = await fixture.client.getManifest(image.repository, tag);
        await putManifest(image, 'v2', descriptor.mediaType, bytes);
        expect(await pull(referenceOf(image, 'v2'), 'matchRepoDigestOrExact')).toMatchObject({ ok: false });
        expect(await pull(`${host}/${image.repository}@${image.digest}`, 'matchRepoDigestOrExact')).toMatchObject({
          ok: true,
        });
      });
    }
  });

  test.each([
    ['RSA_2048', 'RSA_PKCS1_SHA_256'],
    ['RSA_3072', 'RSA_PKCS1_SHA_256'],
    ['EC_P256', 'ECDSA_SHA_256'],
  ] as const)('accept what a key of spec %s in the emulated KMS signs with %s', async (spec, algorithm) => {
    const fixture = await openFixture({ host: fallbackHost });
    const image = await pushTo(fixture, 'oci-manifest');
    const kms = (await startAccount()).key({ keyId: sample.keys[spec] });
    const { descriptor: subject } = await fixture.client.getManifest(image.repository, tag);
    const binding = { mode: 'minimal', repository: `${fallbackHost}/${image.repository}` } as const;
    const prepared = cosign.prepare({ subject, binding, algorithm, certificateChain: [], signingTime: new Date() });
    const { signature } = await kms.sign(algorithm, prepared.signedBytes);
    await fixture.stores['cosign-tag'].push(image.repository, subject, prepared.finish(signature));

    const publicKey = join(directory, `kms-${spec}.pem`);
    await writeFile(publicKey, await kms.getPublicKey());
    const reference = referenceOf(image);
    expect(await judge().verify(reference, publicKey)).toMatchObject({ ok: true });
    const identity = { type: 'matchRepository' } as const;
    expect(await containersImage.ask({ reference, publicKey, identity })).toMatchObject({ ok: true });
    await fixture.close();
  });

  test('accept the first signature that another key made of the same payload, and ours beside it', async () => {
    const fixture = await openFixture({ host: fallbackHost, mode: 'minimal' });
    const image = await pushTo(fixture, 'oci-manifest');
    const stranger = await judge().signAsStranger(
      `${fallbackHost}/${image.repository}@${image.digest}`,
      'same-payload',
    );
    await sign(fixture, image);
    const layers = await layersOf(image);
    expect(layers).toHaveLength(2);
    expect(new Set(layers.map(({ digest }) => digest)).size).toBe(1);
    for (const key of [stranger, publicKeyOf('EC_P256')]) {
      expect(await judge().verify(referenceOf(image), key)).toMatchObject({ ok: true });
    }
    await fixture.close();
  });

  test('ten tags at once leave ten layers beside six that cosign pushed before, and cosign adds one more', async () => {
    const fixture = await openFixture({ host: fallbackHost });
    const image = await pushTo(fixture, 'oci-manifest');
    const { descriptor, bytes } = await fixture.client.getManifest(image.repository, tag);
    const tags = Array.from({ length: 10 }, (_, index) => `t${index}`);
    for (const name of tags) await putManifest(image, name, descriptor.mediaType, bytes);
    const reference = `${fallbackHost}/${image.repository}@${image.digest}`;
    const strangers: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      strangers.push(await judge().signAsStranger(reference, `stranger-${index}`));
    }
    const before = await layersOf(image);

    const results = await Promise.all(tags.map((name) => sign(fixture, image, name)));

    expect(results.flatMap(({ failures }) => failures)).toEqual([]);
    const after = await layersOf(image);
    expect(after.slice(0, 6)).toEqual(before);
    expect(after).toHaveLength(16);
    strangers.push(await judge().signAsStranger(reference, 'stranger-last'));
    expect((await layersOf(image)).slice(0, 16)).toEqual(after);
    for (const key of [...strangers, publicKeyOf('EC_P256')]) {
      expect(await judge().verify(reference, key)).toMatchObject({ ok: true });
    }
    for (const name of tags) {
      const request = { reference: referenceOf(image, name), publicKey: publicKeyOf('EC_P256') };
      expect(await containersImage.ask({ ...request, identity: { type: 'matchRepoDigestOrExact' } })).toMatchObject({
        ok: true,
      });
    }
    await fixture.close();
  });

  test('accept one of the two signatures that one EC_P256 key makes, and notation-go the other', async () => {
    const fixture = await openFixture({ host: fallbackHost, rule: { formats: ['notation', 'cosign'] } });
    const image = await pushTo(fixture, 'oci-index');
    const { outcome } = await sign(fixture, image);
    expect(outcome).toMatchObject({
      intents: [
        { format: 'notation', status: 'signed' },
        { format: 'cosign', status: 'signed' },
      ],
    });
    expect(await judge().verify(referenceOf(image), publicKeyOf('EC_P256'))).toMatchObject({ ok: true });
    const certificate = join(directory, 'certificate.pem');
    await writeFile(certificate, fixture.chainPem);
    const notation = await startNotationVerifier(inject('verifierPath') ?? '');
    const reference = `${fallbackHost}/${image.repository}@${image.digest}`;
    expect(await notation.verify({ reference, certificates: [certificate] })).toMatchObject({
      ok: true,
      signatures: 1,
    });
    await notation.stop();
    await fixture.close();
  });
});
