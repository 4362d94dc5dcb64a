import { randomBytes } from 'node:crypto';
import { expect, describe as group, inject, test } from 'vitest';
import { createRedisLock } from '../../../src/coordination/redis-lock.ts';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { type Digest, digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { closeConnection, connectStore } from '../../../src/queue/connection.ts';
import type { RegistryClient } from '../../../src/registry/registry-client.ts';
import { createSignatureStore } from '../../../src/registry/signature-store.ts';
import { uniquePrefix, uniqueRepository } from '../../support/names.ts';
import { clientFor } from '../../unit/registry/client-for.ts';
import { signatureArtifact } from '../../unit/registry/signature-artifact.ts';

/** Pushes a small manifest of an image: a config and no layers. */
async function pushImage(
  client: RegistryClient,
  repository: string,
  tag: string,
  mediaType: string,
): Promise<Descriptor> {
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', nonce: randomBytes(8).toString('hex') }),
  );
  await client.uploadBlob(repository, config, digestOf(config));
  const configType = mediaType === mediaTypes.ociManifest ? mediaTypes.ociImageConfig : mediaTypes.dockerImageConfig;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, digest: digestOf(config), size: config.byteLength },
      layers: [],
    }),
  );
  await client.putManifest(repository, tag, mediaType, bytes);
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

const fallbackHost = inject('fallbackHost');
const referrersHost = inject('referrersHost');
const registries: readonly [string, string | undefined][] = [
  ['docker-registry, without the referrers API', fallbackHost],
  ['a registry with the referrers API', referrersHost],
];

group.each(registries)('%s', (_, possibleHost) => {
  const host = possibleHost ?? '';
  const realTest = test.skipIf(possibleHost === undefined);

  realTest.each([mediaTypes.ociManifest, mediaTypes.dockerManifest])(
    'gives back a manifest of type %s as it was pushed',
    async (mediaType) => {
      await using client = clientFor(host);
      const repository = uniqueRepository();
      const image = await pushImage(client, repository, 'v1', mediaType);
      const manifest = await client.getManifest(repository, 'v1');
      expect(manifest.descriptor).toEqual(image);
      expect((await client.getManifest(repository, image.digest)).bytes).toEqual(manifest.bytes);
      expect(await client.headManifest(repository, 'v1')).toBe(image.digest);
      expect(await client.headManifest(repository, 'v2')).toBeUndefined();
      await expect(client.getManifest(repository, 'v2')).rejects.toMatchObject({ code: 'not-found' });
      await expect(client.getManifest(uniqueRepository(), 'v1')).rejects.toMatchObject({ code: 'not-found' });
    },
  );

  realTest('keeps a blob, and tells a missing one', async () => {
    await using client = clientFor(host);
    const repository = uniqueRepository();
    const bytes = randomBytes(100);
    const digest = digestOf(bytes);
    expect(await client.hasBlob(repository, digest)).toBe(false);
    await expect(client.getBlob(repository, { digest, size: 100 }, 100)).rejects.toMatchObject({ code: 'not-found' });
    await client.uploadBlob(repository, bytes, digest);
    await client.uploadBlob(repository, bytes, digest);
    expect(await client.hasBlob(repository, digest)).toBe(true);
    expect(Buffer.from(await client.getBlob(repository, { digest, size: 100 }, 100))).toEqual(bytes);
  });

  realTest('refuses a blob that is not what its digest says', async () => {
    await using client = clientFor(host);
    const wrong: Digest = `sha256:${'0'.repeat(64)}`;
    await expect(client.uploadBlob(uniqueRepository(), randomBytes(10), wrong)).rejects.toMatchObject({
      code: 'registry-protocol',
    });
  });

  realTest('lists every repository and every tag', async () => {
    await using client = clientFor(host, { limits: { listPageSize: 1 } });
    const repositories = [uniqueRepository('a'), uniqueRepository('b')];
    for (const repository of repositories) {
      await pushImage(client, repository, 'v1', mediaTypes.ociManifest);
      await pushImage(client, repository, 'v2', mediaTypes.ociManifest);
      expect((await Array.fromAsync(client.listTags(repository))).sort()).toEqual(['v1', 'v2']);
    }
    // The catalogue of the registry with the referrers API knows no pages.
    await using catalogue = clientFor(host, { limits: { listPageSize: host === fallbackHost ? 1 : 1_000 } });
    expect(await Array.fromAsync(catalogue.listRepositories())).toEqual(expect.arrayContaining(repositories));
    expect(await Array.fromAsync(client.listTags(uniqueRepository()))).toEqual([]);
  });

  realTest('lists and gives back every signature that was pushed by rivals at the same time, once', async () => {
    await using client = clientFor(host);
    const repository = uniqueRepository();
    const image = await pushImage(client, repository, 'v1', mediaTypes.ociManifest);
    const redis = connectStore({ redisUrl: inject('redisUrl'), onError: () => undefined });
    const lock = createRedisLock({
      redis,
      prefix: uniquePrefix(),
      leaseMs: 20_000,
      deadlineMs: 10_000,
      waitMs: 30_000,
    });
    try {
      const artifacts = Array.from({ length: 10 }, (__, number) => signatureArtifact(image, `signature ${number}`));
      // Two stores, as two workers have; everything is pushed by both.
      const stores = [createSignatureStore({ client, lock }), createSignatureStore({ client, lock })];
      await Promise.all(
        artifacts.flatMap((artifact) => stores.map((store) => store.push(repository, image, artifact))),
      );
      for (const store of [...stores, createSignatureStore({ client, lock })]) {
        const listed = await store.list(repository, image.digest);
        expect(new Set(listed.map(({ digest }) => digest))).toEqual(
          new Set(artifacts.map(({ descriptor }) => descriptor.digest)),
        );
        expect(listed).toHaveLength(10);
      }
      for (const artifact of artifacts) {
        const found = await stores[0]?.read(repository, artifact.descriptor);
        expect(found?.descriptor).toEqual(artifact.descriptor);
        expect(found?.blobs).toEqual(artifact.blobs.slice(1));
      }
    } finally {
      await closeConnection(redis);
    }
  });

  realTest('an image without signatures, and one that was never pushed, have none', async () => {
    await using client = clientFor(host);
    const store = createSignatureStore({
      client,
      lock: { hold: (__, work) => work(AbortSignal.timeout(1_000), () => undefined) },
    });
    const repository = uniqueRepository();
    const image = await pushImage(client, repository, 'v1', mediaTypes.ociManifest);
    expect(await store.list(repository, image.digest)).toEqual([]);
    expect(await store.list(repository, `sha256:${'0'.repeat(64)}`)).toEqual([]);
  });
});

test.skipIf(referrersHost === undefined)(
  'writes the fallback tag only where the registry does not keep the list',
  async () => {
    const tagsOf = async (host: string): Promise<string[]> => {
      await using client = clientFor(host);
      const repository = uniqueRepository();
      const image = await pushImage(client, repository, 'v1', mediaTypes.ociManifest);
      const store = createSignatureStore({
        client,
        lock: { hold: (__, work) => work(AbortSignal.timeout(10_000), () => undefined) },
      });
      await store.push(repository, image, signatureArtifact(image, 'one'));
      return (await Array.fromAsync(client.listTags(repository)))
        .map((tag) => (tag === image.digest.replace(':', '-') ? 'fallback' : tag))
        .sort();
    };
    expect(await tagsOf(fallbackHost)).toEqual(['fallback', 'v1']);
    expect(await tagsOf(referrersHost ?? '')).toEqual(['v1']);
  },
);
