import { describe, expect, test } from 'vitest';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import { type Digest, digestOf } from '../../../src/domain/digest.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import type { LayerArtifact } from '../../../src/ports/signature-store.ts';
import type { SubjectLock } from '../../../src/ports/subject-lock.ts';
import { createCosignTagStore } from '../../../src/registry/cosign-tag-store.ts';
import { clientFor } from './client-for.ts';
import { createInProcessLock } from './in-process-lock.ts';
import { type Answer, type Received, startScriptedServer } from './scripted-server.ts';

const subject: Descriptor = { mediaType: mediaTypes.ociManifest, digest: `sha256:${'5'.repeat(64)}`, size: 7 };
const tagPath = `/v2/team/app/manifests/sha256-${'5'.repeat(64)}.sig`;
const signatureKey = 'dev.cosignproject.cosign/signature';
const artifact = layerArtifact('payload', 'b25l');
const missingBlob: Answer = { status: 400, body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}' };

/** Shaped like a signature, signed by nobody. */
function layerArtifact(text: string, signature: string): LayerArtifact {
  const bytes = Buffer.from(text);
  const mediaType = mediaTypes.cosignSimpleSigning;
  const digest = digestOf(bytes);
  return {
    descriptor: { mediaType, digest, size: bytes.length, annotations: { [signatureKey]: signature } },
    blobs: [{ mediaType, digest, bytes }],
  };
}

function layer(digit: string, more: object = {}) {
  const annotations = { [signatureKey]: digit };
  return {
    mediaType: mediaTypes.cosignSimpleSigning,
    digest: `sha256:${digit.repeat(64)}`,
    size: 7,
    annotations,
    ...more,
  };
}

const config = { mediaType: mediaTypes.ociImageConfig, digest: `sha256:${'c'.repeat(64)}`, size: 3 };

function manifest(layers: readonly unknown[], more: object = {}): Answer {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers, ...more });
  return { headers: { 'content-type': mediaTypes.ociManifest }, body };
}

interface Behaviour {
  /** What the tag holds before anything is pushed to it. */
  readonly tag?: Answer;
  /** The answer to the n-th push of the tag (from 1), where it is refused. */
  readonly refuse?: (pushes: number) => Answer | undefined;
  /** After the n-th push of the tag (from 1), what another program leaves there instead. */
  readonly overwrite?: (pushes: number) => Answer | undefined;
}

/** Takes every upload, and keeps what is pushed to cosign's tag. */
async function startRegistry(behaviour: Behaviour = {}) {
  let pushes = 0;
  let tag = behaviour.tag;
  const blobs = new Map<string, Buffer>();
  const answer = ({ method, path, body }: Received): Answer => {
    if (path.includes('/blobs/')) {
      if (method === 'POST') blobs.set(digestOf(body), body);
      const found = blobs.get(path.slice(path.lastIndexOf('/') + 1));
      if (method === 'GET') return found === undefined ? { status: 404 } : { body: found };
      return { status: method === 'HEAD' ? 404 : 201 };
    }
    if (path !== tagPath) return { status: 500 };
    if (method === 'GET') return tag ?? { status: 404 };
    pushes += 1;
    const refusal = behaviour.refuse?.(pushes);
    if (refusal !== undefined) return refusal;
    tag = behaviour.overwrite?.(pushes) ?? { headers: { 'content-type': mediaTypes.ociManifest }, body };
    return { status: 201 };
  };
  const server = await startScriptedServer(answer);
  const client = clientFor(server.host);
  const lock = createInProcessLock();
  return {
    lock,
    blobs,
    store: createCosignTagStore({ client, lock, limits: { layersMax: 5 } }),
    tag: () => JSON.parse(`${tag?.body}`),
    requests: () =>
      server.received.map(({ method, path }) => `${method} ${path.replace('/v2/team/app/', '').split('?')[0]}`),
    host: server.host,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const writes = (requests: readonly string[]) => requests.filter((request) => request.startsWith('PUT manifests/'));

test('begins the manifest as cosign writes it, with the least requests', async () => {
  await using registry = await startRegistry();
  await registry.store.push('team/app', subject, artifact);
  const { digest } = artifact.descriptor;
  const expected = Buffer.from(
    `{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"","rootfs":{"type":"layers","diff_ids":["${digest}"]},"config":{}}`,
  );
  expect(registry.tag()).toEqual({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociImageConfig, size: expected.length, digest: digestOf(expected) },
    layers: [artifact.descriptor],
  });
  expect([...registry.blobs.keys()]).toEqual([digest, digestOf(expected)]);
  const tag = `manifests/sha256-${'5'.repeat(64)}.sig`;
  expect(registry.requests()).toEqual([
    'POST blobs/uploads/',
    `GET ${tag}`,
    'POST blobs/uploads/',
    `PUT ${tag}`,
    `GET ${tag}`,
  ]);
  expect(registry.lock.held).toEqual([`referrers/${registry.host}/team/app@${subject.digest}`]);
});

test('adds a layer at the end and keeps everything that others wrote', async () => {
  const foreign = [
    layer('a', { urls: ['https://example.com'], data: 'e30=', 'org.example': [1, null] }),
    { mediaType: 'application/vnd.dsse.envelope.v1+json', digest: `sha512:${'b'.repeat(128)}`, size: 1 },
    layer('d', { annotations: { 'dev.sigstore.cosign/bundle': '{"a":1}' } }),
  ];
  const more = { annotations: { a: 'b' }, 'org.example.extra': { deep: [true] } };
  await using registry = await startRegistry({ tag: manifest(foreign, more) });
  await registry.store.push('team/app', subject, artifact);
  expect(registry.tag()).toMatchObject({ ...more, layers: [...foreign, artifact.descriptor] });
  expect(registry.tag().layers.slice(0, 3)).toEqual(foreign);
  const written = JSON.parse(`${registry.blobs.get(registry.tag().config.digest)}`);
  expect(written.rootfs.diff_ids).toEqual(registry.tag().layers.map(({ digest }: Descriptor) => digest));
  expect(written.history).toHaveLength(4);
});

test('leaves a config alone that is no image config', async () => {
  const foreign = { mediaType: mediaTypes.ociEmpty, digest: digestOf(Buffer.from('{}')), size: 2, data: 'e30=' };
  await using registry = await startRegistry({ tag: manifest([layer('a')], { config: foreign }) });
  await registry.store.push('team/app', subject, artifact);
  expect(registry.tag().config).toEqual(foreign);
});

describe('a layer is the same when payload and signature are', () => {
  test('pushed again it changes nothing', async () => {
    await using registry = await startRegistry();
    await registry.store.push('team/app', subject, artifact);
    await registry.store.push('team/app', subject, artifact);
    expect(writes(registry.requests())).toHaveLength(1);
  });

  test('another signature of the same payload is another one', async () => {
    await using registry = await startRegistry();
    const other = layerArtifact('payload', 'dHdv');
    await registry.store.push('team/app', subject, artifact);
    await registry.store.push('team/app', subject, other);
    expect(await registry.store.list('team/app', subject.digest)).toEqual([artifact.descriptor, other.descriptor]);
  });
});

test('signatures pushed at the same time are all listed', async () => {
  await using registry = await startRegistry();
  const artifacts = ['1', '2', '3', '4', '5'].map((text) => layerArtifact(text, 'b25l'));
  await Promise.all(artifacts.map((each) => registry.store.push('team/app', subject, each)));
  const listed = await registry.store.list('team/app', subject.digest);
  expect(new Set(listed)).toEqual(new Set(artifacts.map(({ descriptor }) => descriptor)));
  expect(listed).toHaveLength(5);
});

test('enters the layer once more when another program wrote over it', async () => {
  const foreign = [layer('a')];
  await using registry = await startRegistry({ overwrite: (pushes) => (pushes === 1 ? manifest(foreign) : undefined) });
  await registry.store.push('team/app', subject, artifact);
  expect(registry.tag().layers).toEqual([...foreign, artifact.descriptor]);
  expect(registry.lock.held).toHaveLength(2);
});

test('says that the signature does not stay when it is lost twice', async () => {
  await using registry = await startRegistry({ overwrite: () => manifest([layer('a')]) });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({
    code: 'signature-not-found',
    message: expect.stringContaining('.sig'),
  });
  expect(registry.lock.held).toHaveLength(2);
});

test('uploads what the registry misses and tries once more', async () => {
  await using registry = await startRegistry({ refuse: (pushes) => (pushes === 1 ? missingBlob : undefined) });
  await registry.store.push('team/app', subject, artifact);
  expect(registry.requests().filter((request) => request.startsWith('HEAD blobs/'))).toHaveLength(2);
  expect(registry.tag().layers).toEqual([artifact.descriptor]);
});

test('gives up when the registry refuses the manifest again', async () => {
  await using registry = await startRegistry({ refuse: () => missingBlob });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({ code: 'registry-protocol' });
  expect(writes(registry.requests())).toHaveLength(2);
});

test.each<[string, Answer]>([
  ['is an index', { headers: { 'content-type': mediaTypes.ociIndex }, body: '{"manifests":[]}' }],
  [
    'is a Docker manifest',
    { headers: { 'content-type': mediaTypes.dockerManifest }, body: '{"config":{},"layers":[]}' },
  ],
  ['is no JSON', { headers: { 'content-type': mediaTypes.ociManifest }, body: '<html>' }],
  ['has a layer that cannot be read', manifest([layer('a'), { digest: 'x' }])],
  ['has a layer with annotations that are no text', manifest([layer('a', { annotations: { a: 1 } })])],
  ['has no layers at all', { headers: { 'content-type': mediaTypes.ociManifest }, body: JSON.stringify({ config }) }],
  ['has no config', { headers: { 'content-type': mediaTypes.ociManifest }, body: '{"layers":[]}' }],
  ['is too large', { headers: { 'content-type': mediaTypes.ociManifest }, body: Buffer.alloc(5 * 1024 * 1024, 0x20) }],
  ['has too many layers', manifest(['1', '2', '3', '4', '6', '7'].map((digit) => layer(digit)))],
  [
    'comes with another digest',
    {
      ...manifest([]),
      headers: { 'content-type': mediaTypes.ociManifest, 'docker-content-digest': `sha256:${'0'.repeat(64)}` },
    },
  ],
])('a tag that %s is neither an empty list nor written over', async (_, tag) => {
  await using registry = await startRegistry({ tag });
  const incomplete = { code: 'referrers-incomplete', message: expect.stringContaining('.sig') };
  await expect(registry.store.list('team/app', subject.digest)).rejects.toMatchObject(incomplete);
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject(incomplete);
  expect(writes(registry.requests())).toEqual([]);
});

test('does not let the manifest grow beyond what cosign reads', async () => {
  await using registry = await startRegistry({ tag: manifest(['1', '2', '3', '4', '6'].map((digit) => layer(digit))) });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({
    code: 'referrers-incomplete',
    message: expect.stringContaining('full (6 layers'),
  });
  expect(writes(registry.requests())).toEqual([]);
});

test.each([403, 500])('a tag that answers %i is no empty list', async (status) => {
  await using registry = await startRegistry({ tag: { status } });
  await expect(registry.store.list('team/app', subject.digest)).rejects.toMatchObject({
    code: expect.stringMatching(/^registry-/),
  });
});

test('an image without the tag has no signatures', async () => {
  await using registry = await startRegistry();
  expect(await registry.store.list('team/app', subject.digest)).toEqual([]);
});

describe('reads a payload', () => {
  test('that is what its layer says', async () => {
    await using registry = await startRegistry();
    await registry.store.push('team/app', subject, artifact);
    const [listed] = await registry.store.list('team/app', subject.digest);
    expect(listed && (await registry.store.read('team/app', listed))).toEqual(artifact);
  });

  test.each<[string, Partial<Descriptor>, string]>([
    ['that is gone', { digest: digestOf(Buffer.from('gone')) }, 'not-found'],
    ['of another size', { size: 3 }, 'manifest-invalid'],
    ['that is larger than any of ours', { size: 65 * 1024 }, 'too-large'],
  ])('%s: refuses', async (_name, change, code) => {
    await using registry = await startRegistry();
    await registry.store.push('team/app', subject, artifact);
    const listed = { ...artifact.descriptor, ...change };
    await expect(registry.store.read('team/app', listed)).rejects.toMatchObject({ code });
  });
});

test('writes nothing when the clock says that the lock is lost, though no timer has run yet', async () => {
  await using registry = await startRegistry();
  await using client = clientFor(registry.host);
  const lost = () => {
    throw new AutosignError('lock-lost', 'the process was frozen');
  };
  const lock: SubjectLock = { hold: (_, work) => work(new AbortController().signal, lost) };
  const store = createCosignTagStore({ client, lock });
  await expect(store.push('team/app', subject, artifact)).rejects.toThrow('the process was frozen');
  expect(writes(registry.requests())).toEqual([]);
});

test('locks by the name it is given', async () => {
  await using registry = await startRegistry();
  await using client = clientFor(registry.host);
  const lock = createInProcessLock();
  const lockName = (repository: string, digest: Digest): string => `one ${repository} ${digest}`;
  await createCosignTagStore({ client, lock, lockName }).push('team/app', subject, artifact);
  expect(lock.held).toEqual([`one team/app ${subject.digest}`]);
});

test('pushes nothing when the bytes are not those of the digest', async () => {
  await using registry = await startRegistry();
  const [blob] = artifact.blobs;
  const broken: LayerArtifact = { ...artifact, blobs: [{ ...blob, bytes: Buffer.from('{}') }] };
  await expect(registry.store.push('team/app', subject, broken)).rejects.toMatchObject({ code: 'digest-mismatch' });
  expect(registry.requests()).toEqual([]);
});
