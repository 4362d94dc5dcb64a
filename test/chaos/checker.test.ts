import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { pushImage } from '../../infra/images/push-image.ts';
import { pushBlob, putManifest } from '../../infra/images/registry-upload.ts';
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
  let group: ServiceGroup;
  let wanted: Expected;
  let image: Awaited<ReturnType<typeof pushImage>>;
  beforeAll(async () => {
    verifier = await startNotationVerifier(verifierPath ?? '');
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
    checkSignatures({ expected: [], ...signatures, verifier, certificateFile: group.certificateFile });

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
});
