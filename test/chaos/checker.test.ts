import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { pushBlob, putManifest } from '../../infra/images/registry-upload.ts';
import type { LayerArtifact } from '../../src/ports/signature-store.ts';
import { type ContainersImage, startContainersImage } from '../support/containers-image.ts';
import { signWithCosign } from '../support/cosign-artifacts.ts';
import { uniqueRepository } from '../support/names.ts';
import { type SignOptions, signWithNotation } from '../support/notation-artifacts.ts';
import { type NotationVerifier, startNotationVerifier } from '../support/notation-verifier.ts';
import { signingKey, trustedVersion } from '../support/signing-keys.ts';
import { checkSignatures, type Expected, faultless } from './checker.ts';
import { createServiceGroup, type ServiceGroup } from './service-group.ts';

const verifierPath = inject('verifierPath');
const host = inject('referrersHost') ?? '';

describe.skipIf(verifierPath === undefined)('the checker', () => {
  let verifier: NotationVerifier;
  let containersImage: ContainersImage;
  let group: ServiceGroup;
  let wanted: Expected;
  let image: Awaited<ReturnType<typeof pushImage>>;
  beforeAll(async () => {
    verifier = await startNotationVerifier(verifierPath ?? '');
    containersImage = await startContainersImage(inject('containersImagePath') ?? '');
    // Only for its certificate.
    group = await createServiceGroup({ redisUrl: inject('redisUrl'), registries: [] });
  });
  beforeEach(async () => {
    const repository = uniqueRepository('checked');
    image = await pushImage({ host, repository, tag: 'v1', kind: 'oci-manifest' });
    const binding = { repository: `registry.example.com/${repository}`, tag: 'v1' };
    wanted = { registry: { host }, repository, digest: image.digest, binding };
  });
  afterAll(async () => {
    await group?.stop();
    await verifier?.stop();
    await containersImage?.stop();
  });

  async function sign(over: SignOptions = {}, key = signingKey('EC_P256')): Promise<void> {
    const certificatePem = key === signingKey('EC_P256') ? await readFile(group.certificateFile, 'utf8') : undefined;
    const version = await trustedVersion(key, certificatePem === undefined ? {} : { certificatePem });
    const { digest, mediaType, size } = image;
    const binding = {
      mode: 'default',
      ...wanted.binding,
      repository: wanted.binding?.repository ?? '',
      tag: 'v1',
    } as const;
    const artifact = await signWithNotation(key, version, { subject: { digest, mediaType, size }, binding, ...over });
    for (const blob of artifact.blobs) await pushBlob({ host, ...wanted }, blob.bytes);
    await putManifest(
      { host, ...wanted },
      artifact.descriptor.digest,
      artifact.descriptor.mediaType,
      artifact.manifest,
    );
  }

  const check = (signatures: { expected?: readonly Expected[]; forbidden?: readonly Expected[] }) =>
    checkSignatures({
      expected: [],
      ...signatures,
      verifier,
      certificateFile: group.certificateFile,
      cosign: { judge: containersImage, publicKeyFile: join(group.directory, 'release.pub.pem') },
    });

  test('finds nothing wrong with the one signature that is expected', async () => {
    await sign();

    expect(await check({ expected: [wanted] })).toEqual(faultless);
  });

  test('counts a signature that is not there as lost', async () => {
    expect(await check({ expected: [wanted] })).toMatchObject({
      lost: [expect.stringContaining(image.digest)],
      foreign: [],
    });
  });

  test('counts a second signature of the same binding as double', async () => {
    await sign();
    await sign({ signingTime: new Date(Date.now() - 60_000) });

    expect(await check({ expected: [wanted] })).toMatchObject({
      double: [expect.stringContaining(image.digest)],
      lost: [],
    });
  });

  test('counts a signature of another binding as foreign, and the expected one as lost', async () => {
    await sign({ binding: { mode: 'default', repository: 'registry.example.com/prod/other', tag: 'v1' } });

    const { lost, foreign } = await check({ expected: [wanted] });
    expect([lost.length, foreign.length]).toEqual([1, 1]);
  });

  test('counts any signature of a forbidden image as foreign', async () => {
    await sign();

    expect(await check({ forbidden: [wanted] })).toMatchObject({ foreign: [expect.stringContaining(image.digest)] });
  });

  test('counts a signature by a key that is not trusted as invalid', async () => {
    await sign({}, signingKey('EC_P256', 'stranger'));

    expect(await check({ expected: [wanted] })).toMatchObject({
      invalid: [expect.stringContaining(image.digest)],
      lost: [],
    });
  });

  describe('of cosign', () => {
    const cosigned = (over: Parameters<typeof signWithCosign>[1] = {}, key = signingKey('EC_P256')) => {
      const { digest, mediaType, size } = image;
      const binding = { mode: 'default', repository: wanted.binding?.repository ?? '', tag: 'v1' } as const;
      return signWithCosign(key, { subject: { digest, mediaType, size }, binding, ...over });
    };

    /** Past all code under test. */
    async function pushLayers(...layers: readonly LayerArtifact[]): Promise<void> {
      const target = { host, ...wanted };
      for (const { blobs } of layers) await pushBlob(target, blobs[0].bytes);
      const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: '', size: 2 };
      config.digest = await pushBlob(target, Buffer.from('{}'));
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const manifest = { schemaVersion: 2, mediaType, config, layers: layers.map(({ descriptor }) => descriptor) };
      await putManifest(
        target,
        `${image.digest.replace(':', '-')}.sig`,
        mediaType,
        Buffer.from(JSON.stringify(manifest)),
      );
    }

    const checkCosign = () => check({ expected: [{ ...wanted, format: 'cosign' }] });

    test('finds nothing wrong with the one layer that is expected', async () => {
      await pushLayers(await cosigned());
      expect(await checkCosign()).toEqual(faultless);
    });

    test('counts a layer that is not there as lost, though the other format is', async () => {
      await sign();
      expect(await checkCosign()).toMatchObject({
        lost: [expect.stringContaining(image.digest)],
        foreign: [expect.stringContaining('notation')],
      });
    });

    test('counts a second layer of the same binding as double', async () => {
      await pushLayers(await cosigned(), await cosigned());
      expect(await checkCosign()).toMatchObject({ double: [expect.stringContaining(image.digest)], lost: [] });
    });

    test('counts a layer of another binding as foreign', async () => {
      const elsewhere = { mode: 'default', repository: 'registry.example.com/prod/other', tag: 'v1' } as const;
      await pushLayers(await cosigned(), await cosigned({ binding: elsewhere }));
      expect(await checkCosign()).toMatchObject({ lost: [], foreign: [expect.stringContaining('prod/other')] });
    });

    test('counts a layer by a key that is not trusted as invalid', async () => {
      await pushLayers(await cosigned({}, signingKey('EC_P256', 'stranger')));
      expect(await checkCosign()).toMatchObject({ invalid: [expect.stringContaining(image.digest)], lost: [] });
    });
  });
});
