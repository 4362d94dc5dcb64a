import { expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../src/domain/digest.ts';
import { clientFor } from './client-for.ts';
import { type Answer, startScriptedServer } from './scripted-server.ts';

const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType }));
const digest = digestOf(bytes);
const otherDigest: Digest = `sha256:${'a'.repeat(64)}`;
const good = { headers: { 'content-type': mediaType }, body: bytes };

async function getFrom(answer: Answer, reference: string = 'v1') {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host, { limits: { manifestBytesMax: 1_000 } });
  return await client.getManifest('team/app', reference);
}

test('computes digest and size from the bytes, in one request that accepts manifests and indexes', async () => {
  await using registry = await startScriptedServer(() => ({
    ...good,
    headers: { 'content-type': `${mediaType}; charset=utf-8` },
  }));
  await using client = clientFor(registry.host);
  const manifest = await client.getManifest('team/app', 'v1');
  expect(manifest.descriptor).toEqual({ mediaType, digest, size: bytes.byteLength });
  expect(Buffer.from(manifest.bytes)).toEqual(bytes);
  expect(registry.received).toMatchObject([{ method: 'GET', path: '/v2/team/app/manifests/v1' }]);
  expect(registry.received[0]?.headers.accept?.split(', ')).toHaveLength(4);
});

test.each([
  ['is not there', { status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' }, 'v1', 'not-found'],
  ['has another digest than asked for', good, otherDigest, 'digest-mismatch'],
  [
    'has another digest than its header says',
    { ...good, headers: { ...good.headers, 'docker-content-digest': otherDigest } },
    'v1',
    'digest-mismatch',
  ],
  [
    'has a garbled digest header',
    { ...good, headers: { ...good.headers, 'docker-content-digest': 'sha256:' } },
    'v1',
    'digest-mismatch',
  ],
  ['is too large', { ...good, body: JSON.stringify({ pad: 'x'.repeat(1_000) }) }, 'v1', 'too-large'],
  [
    'has another media type inside',
    { headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' }, body: bytes },
    'v1',
    'manifest-invalid',
  ],
  ['has no media type', { body: bytes }, 'v1', 'registry-protocol'],
  ['is no JSON', { headers: { 'content-type': mediaType }, body: '<html>' }, 'v1', 'registry-protocol'],
  ['is a JSON array', { headers: { 'content-type': mediaType }, body: '[]' }, 'v1', 'registry-protocol'],
  [
    'is no UTF-8',
    { headers: { 'content-type': mediaType }, body: Buffer.from([0x22, 0xff, 0x22]) },
    'v1',
    'registry-protocol',
  ],
  ['is a redirect', { status: 307, headers: { location: 'https://elsewhere.example/' } }, 'v1', 'host-refused'],
  ['is an unexpected answer', { status: 418 }, 'v1', 'registry-protocol'],
])('a manifest that %s is refused', async (_, answer: Answer, reference, code) => {
  await expect(getFrom(answer, reference)).rejects.toMatchObject({ code });
});

test.each([
  ['team/../app', 'v1'],
  ['Team/app', 'v1'],
  ['team/app', 'v1/../../x'],
  ['team/app', 'sha512:abc'],
  ['team/app?x=y', 'v1'],
])('sends nothing for the names %s and %s', async (repository, reference) => {
  await using registry = await startScriptedServer(() => good);
  await using client = clientFor(registry.host);
  await expect(client.getManifest(repository, reference)).rejects.toMatchObject({ code: 'usage' });
  expect(registry.received).toEqual([]);
});

test('does not quote what the registry wrote, only its error codes', async () => {
  const body = JSON.stringify({ errors: [{ code: 'MANIFEST_INVALID', message: 'Bearer leaked', detail: 'leaked' }] });
  await expect(getFrom({ status: 400, body })).rejects.toThrow(/answered 400 \(MANIFEST_INVALID\)$/);
  await expect(getFrom({ status: 400, body: '{"errors":[{"code":"leaked code"}]}' })).rejects.toThrow(/answered 400$/);
  await expect(getFrom({ status: 400, body: 'x'.repeat(100_000) })).rejects.toThrow(/answered 400$/);
});

test.each([
  [{ headers: { 'docker-content-digest': digest } }, digest],
  [{ status: 404 }, undefined],
])('asks whether a manifest is there by HEAD', async (answer, expected) => {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host);
  expect(await client.headManifest('team/app', 'v1')).toBe(expected);
  expect(registry.received).toMatchObject([{ method: 'HEAD' }]);
});

test('computes the digest when HEAD does not tell it', async () => {
  await using registry = await startScriptedServer(() => good);
  await using client = clientFor(registry.host);
  expect(await client.headManifest('team/app', 'v1')).toBe(digest);
});

test('puts a manifest with its media type, and tells what the registry says of the subject', async () => {
  const headers = { 'oci-subject': otherDigest, 'docker-content-digest': digest };
  await using registry = await startScriptedServer(() => ({ status: 201, headers }));
  await using client = clientFor(registry.host);
  expect(await client.putManifest('team/app', digest, mediaType, bytes)).toEqual({ ociSubject: otherDigest });
  expect(registry.received).toMatchObject([{ method: 'PUT', path: `/v2/team/app/manifests/${digest}`, body: bytes }]);
  expect(registry.received[0]?.headers['content-type']).toBe(mediaType);
});

test.each([
  ['another digest', { status: 201, headers: { 'docker-content-digest': otherDigest } }, 'digest-mismatch'],
  ['garbage and 200, which no registry answers', { status: 200, body: '<html>' }, 'registry-protocol'],
  ['a redirect', { status: 307, headers: { location: '/elsewhere' } }, 'host-refused'],
  [
    'that a blob is missing',
    { status: 400, body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}' },
    'registry-protocol',
  ],
  ['that the repository is not there', { status: 404 }, 'not-found'],
])('a push that is answered with %s fails', async (_, answer: Answer, code) => {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host);
  await expect(client.putManifest('team/app', 'v1', mediaType, bytes)).rejects.toMatchObject({ code });
  expect(registry.received).toHaveLength(1);
});

test('does not push under a digest that is not that of the bytes', async () => {
  await using registry = await startScriptedServer(() => ({ status: 201 }));
  await using client = clientFor(registry.host);
  await expect(client.putManifest('team/app', otherDigest, mediaType, bytes)).rejects.toMatchObject({
    code: 'digest-mismatch',
  });
  expect(registry.received).toEqual([]);
});

test('sends nothing once the signal is aborted, and rejects with its reason', async () => {
  await using registry = await startScriptedServer(() => ({ status: 201 }));
  await using client = clientFor(registry.host);
  const signal = AbortSignal.abort(new Error('the lock is over'));
  await expect(client.putManifest('team/app', 'v1', mediaType, bytes, { signal })).rejects.toThrow('the lock is over');
  expect(registry.received).toEqual([]);
});

test('an answer that is under way ends with the signal', async () => {
  const controller = new AbortController();
  await using registry = await startScriptedServer(() => {
    controller.abort(new Error('the lock is over'));
    return undefined;
  });
  await using client = clientFor(registry.host);
  await expect(client.putManifest('team/app', 'v1', mediaType, bytes, { signal: controller.signal })).rejects.toThrow(
    'the lock is over',
  );
});
