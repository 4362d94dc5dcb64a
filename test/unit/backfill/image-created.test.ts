import { describe, expect, test } from 'vitest';
import { imageCreated } from '../../../src/backfill/image-created.ts';
import type { FetchedManifest } from '../../../src/domain/descriptor.ts';
import { type Digest, digestOf } from '../../../src/domain/digest.ts';
import { AutosignError, type ErrorCode } from '../../../src/domain/errors.ts';

const bytesOf = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

/** A registry that holds these configs and manifests. */
function registryOf(stored: ReadonlyMap<Digest, Uint8Array>, failure?: ErrorCode) {
  const read = async (digest: string): Promise<Uint8Array> => {
    const bytes = stored.get(digest as Digest);
    if (failure !== undefined || bytes === undefined) throw new AutosignError(failure ?? 'not-found', digest);
    return bytes;
  };
  return {
    getBlob: (_repository: string, { digest }: { readonly digest: Digest }) => read(digest),
    getManifest: async (_repository: string, digest: string) => manifestOf(await read(digest)),
  };
}

const manifestOf = (bytes: Uint8Array): FetchedManifest => ({
  bytes,
  descriptor: { mediaType: 'application/json', digest: digestOf(bytes), size: bytes.length },
});

/** An image for each config, and a map that holds all of them. */
function images(...configs: readonly unknown[]) {
  const stored = new Map<Digest, Uint8Array>();
  const store = (bytes: Uint8Array) => {
    stored.set(digestOf(bytes), bytes);
    return { digest: digestOf(bytes), size: bytes.length };
  };
  const manifests = configs.map((config) => bytesOf({ config: store(bytesOf(config)), layers: [] }));
  const index = bytesOf({ manifests: manifests.map(store) });
  return { stored, manifests, index };
}

const created = (bytes: Uint8Array | undefined, stored: ReadonlyMap<Digest, Uint8Array>, failure?: ErrorCode) => {
  const client = registryOf(stored, failure);
  const { signal } = new AbortController();
  return imageCreated(manifestOf(bytes ?? Buffer.alloc(0)), { client, repository: 'prod/app', signal });
};

describe('when an image was built', () => {
  test.each([
    ['2024-05-01T10:00:00Z', '2024-05-01T10:00:00.000Z'],
    ['2024-05-01T10:00:00.123456789Z', '2024-05-01T10:00:00.123Z'],
    ['2024-05-01T10:00:00+02:00', '2024-05-01T08:00:00.000Z'],
  ])('is what its config says: %s', async (text, time) => {
    const { stored, manifests } = images({ created: text });
    expect(await created(manifests[0], stored)).toEqual(new Date(time));
  });

  test.each([
    ['nothing', {}],
    ['null', { created: null }],
    ['no time', { created: 'yesterday' }],
    ['the year 1', { created: '0001-01-01T00:00:00Z' }],
    ['the year 1970, as reproducible builds do', { created: '1970-01-01T00:00:00Z' }],
    ['something that is no JSON', 'config'],
  ])('is not known when its config says %s', async (_what, config) => {
    const { stored, manifests } = images(config);
    expect(await created(manifests[0], stored)).toBeUndefined();
  });

  test('is that of the newest image of an index, as far as they tell', async () => {
    const times = ['2024-01-01T00:00:00Z', '2024-03-01T00:00:00Z', '2024-02-01T00:00:00Z'];
    const { stored, index } = images({}, ...times.map((time) => ({ created: time })));
    expect(await created(index, stored)).toEqual(new Date('2024-03-01T00:00:00Z'));
    const untold = images({}, {});
    expect(await created(untold.index, untold.stored)).toBeUndefined();
  });

  test('is not known when the config or a part of the index is gone', async () => {
    const { manifests, index } = images({ created: '2024-01-01T00:00:00Z' });
    expect(await created(manifests[0], new Map())).toBeUndefined();
    expect(await created(index, new Map())).toBeUndefined();
  });

  test.each(['registry-unreachable', 'registry-denied', 'digest-mismatch'] as const)(
    'cannot be told when the registry fails with %s',
    async (code) => {
      const { stored, manifests } = images({ created: '2024-01-01T00:00:00Z' });
      await expect(created(manifests[0], stored, code)).rejects.toMatchObject({ code });
    },
  );
});
