import { expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import { createSignatureStore } from '../../../src/registry/signature-store.ts';
import { clientFor } from './client-for.ts';
import { createInProcessLock } from './in-process-lock.ts';
import { type Answer, startScriptedServer } from './scripted-server.ts';

async function readFrom(manifest: object, blob: Answer, mediaType: string = mediaTypes.ociManifest) {
  const bytes = Buffer.from(JSON.stringify(manifest));
  await using server = await startScriptedServer(({ path }) =>
    path.includes('/blobs/') ? blob : { headers: { 'content-type': mediaType }, body: bytes },
  );
  await using client = clientFor(server.host);
  const store = createSignatureStore({ client, lock: createInProcessLock() });
  return await store.read('team/app', { mediaType, digest: digestOf(bytes), size: bytes.byteLength });
}

function manifestWith(layers: readonly object[]) {
  return { schemaVersion: 2, artifactType: 'x/y', config: { mediaType: 'x/config' }, layers };
}
const layer = { mediaType: mediaTypes.jws, digest: digestOf(Buffer.from('one')), size: 3 };

test('reads manifest and layers, and takes type and annotations from the manifest', async () => {
  const { descriptor, blobs } = await readFrom({ ...manifestWith([layer]), annotations: { a: 'b' } }, { body: 'one' });
  expect(descriptor).toMatchObject({ artifactType: 'x/y', annotations: { a: 'b' } });
  expect(blobs.map(({ mediaType, bytes }) => [mediaType, `${Buffer.from(bytes)}`])).toEqual([[mediaTypes.jws, 'one']]);
});

test.each<[string, object, Answer, string]>([
  ['has no layers field', { config: { mediaType: 'x' } }, {}, 'manifest-invalid'],
  ['has a layer without digest', manifestWith([{ mediaType: 'x', size: 1 }]), {}, 'manifest-invalid'],
  ['has too many layers', manifestWith(Array(11).fill(layer)), { body: 'one' }, 'too-large'],
  ['has a layer that is too large', manifestWith([{ ...layer, size: 1024 * 1024 + 1 }]), { body: 'one' }, 'too-large'],
  ['has a layer with other bytes', manifestWith([layer]), { body: 'two' }, 'digest-mismatch'],
  ['has a layer of another size', manifestWith([{ ...layer, size: 4 }]), { body: 'one' }, 'manifest-invalid'],
  ['has a layer that is gone', manifestWith([layer]), { status: 404 }, 'not-found'],
])('a signature that %s is not read', async (_, manifest, blob, code) => {
  await expect(readFrom(manifest, blob)).rejects.toMatchObject({ code });
});

test('an index is not read as a signature', async () => {
  await expect(readFrom(manifestWith([layer]), { body: 'one' }, mediaTypes.ociIndex)).rejects.toMatchObject({
    code: 'manifest-invalid',
  });
});
