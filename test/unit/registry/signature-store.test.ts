import { expect, test } from 'vitest';
import type { Descriptor } from '../../../src/domain/descriptor.ts';
import type { Digest } from '../../../src/domain/digest.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import { mediaTypes } from '../../../src/domain/media-types.ts';
import type { SubjectLock } from '../../../src/ports/subject-lock.ts';
import { createSignatureStore } from '../../../src/registry/signature-store.ts';
import { clientFor } from './client-for.ts';
import { createInProcessLock } from './in-process-lock.ts';
import { type Answer, type Received, startScriptedServer } from './scripted-server.ts';
import { signatureArtifact } from './signature-artifact.ts';

const subject: Descriptor = { mediaType: mediaTypes.ociManifest, digest: `sha256:${'5'.repeat(64)}`, size: 7 };
const tagPath = `/v2/team/app/manifests/sha256-${'5'.repeat(64)}`;
const artifact = signatureArtifact(subject, 'one');
const keepsTheList: Answer = { status: 201, headers: { 'oci-subject': subject.digest } };

function entry(digit: string, more: object = {}) {
  return { mediaType: mediaTypes.ociManifest, digest: `sha256:${digit.repeat(64)}`, size: 7, ...more };
}

function index(manifests: readonly unknown[], more: object = {}): Answer {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, ...more });
  return { headers: { 'content-type': mediaTypes.ociIndex }, body };
}

interface Behaviour {
  readonly api?: () => Answer;
  /** What the fallback tag holds before anything is pushed to it. */
  tag?: Answer;
  /** The answer to a push by digest. */
  readonly pushed?: () => Answer;
  /** After the n-th push of the tag (from 1), what another program leaves there instead. */
  readonly overwrite?: (pushes: number) => Answer | undefined;
}

/** Takes every upload; has a referrers API, a fallback tag and answers to pushes as `behaviour` says. */
async function startRegistry(behaviour: Behaviour) {
  let pushes = 0;
  let tag = behaviour.tag;
  const answer = ({ method, path, body }: Received): Answer => {
    if (path.includes('/blobs/')) return { status: method === 'HEAD' ? 404 : 201 };
    if (path.includes('/referrers/')) return behaviour.api?.() ?? { status: 404 };
    if (path === tagPath && method === 'GET') return tag ?? { status: 404 };
    if (path === tagPath) {
      pushes += 1;
      tag = behaviour.overwrite?.(pushes) ?? { headers: { 'content-type': mediaTypes.ociIndex }, body };
      return { status: 201 };
    }
    return behaviour.pushed?.() ?? { status: 201 };
  };
  const server = await startScriptedServer(answer);
  const client = clientFor(server.host);
  const lock = createInProcessLock();
  return {
    server,
    lock,
    store: createSignatureStore({ client, lock, limits: { referrersMax: 5 } }),
    tag: () => JSON.parse(`${tag?.body}`),
    requests: () => server.received.map(({ method, path }) => `${method} ${path.replace('/v2/team/app/', '')}`),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('is done after the push where the registry keeps the list, without a lock', async () => {
  await using registry = await startRegistry({ pushed: () => keepsTheList });
  expect(await registry.store.push('team/app', subject, artifact)).toBeUndefined();
  expect(registry.lock.held).toEqual([]);
  expect(registry.requests()).not.toContain(expect.stringContaining('sha256-'));
});

test('looks for the empty config once a repository', async () => {
  await using registry = await startRegistry({ pushed: () => keepsTheList });
  await registry.store.push('team/app', subject, artifact);
  await registry.store.push('team/app', subject, signatureArtifact(subject, 'two'));
  expect(registry.requests().filter((request) => request.startsWith('HEAD'))).toHaveLength(1);
  expect(registry.requests()).toHaveLength(4 + 2);
});

test('looks for the empty config again after a push failed, because it may have been collected', async () => {
  let refuses = false;
  await using registry = await startRegistry({
    pushed: () => (refuses ? { status: 400, body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}' } : keepsTheList),
  });
  const heads = (): number => registry.requests().filter((request) => request.startsWith('HEAD')).length;
  await registry.store.push('team/app', subject, artifact);
  refuses = true;
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({ code: 'registry-protocol' });
  expect(heads()).toBe(1 + 2 + 2);
  refuses = false;
  await registry.store.push('team/app', subject, artifact);
  expect(heads()).toBe(1 + 2 + 2 + 1);
});

test.each([1, 2])('looks for every blob and tries once more when the registry misses one %i times', async (times) => {
  const missed: Answer = { status: 400, body: '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}' };
  const answers: Answer[] = [...Array.from({ length: times }, () => missed), keepsTheList];
  await using registry = await startRegistry({ pushed: () => answers.shift() ?? { status: 500 } });
  await expect(registry.store.push('team/app', subject, artifact)).resolves.toBeUndefined();
  expect(answers).toEqual([]);
});

test.each([
  [403, 1],
  [429, 3],
  [500, 3],
])('a push that is always answered with %i fails after %i requests', async (status, requests) => {
  await using registry = await startRegistry({ pushed: () => ({ status }) });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({
    code: expect.stringMatching(/^registry-/),
  });
  expect(registry.requests().filter((request) => request.startsWith('PUT'))).toHaveLength(requests);
});

test('enters the signature in the fallback index under the lock, and keeps everything that others wrote', async () => {
  const foreign = [
    entry('a', { urls: ['https://example.com'], data: 'e30=', platform: { os: 'x' }, 'org.example': [1, null] }),
  ];
  await using registry = await startRegistry({
    tag: index(foreign, { annotations: { a: 'b' }, 'org.example.extra': { deep: [true] } }),
  });
  await registry.store.push('team/app', subject, artifact);
  expect(registry.lock.held).toEqual([`referrers/${registry.server.host}/team/app@${subject.digest}`]);
  expect(registry.tag()).toEqual({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [...foreign, artifact.descriptor],
    annotations: { a: 'b' },
    'org.example.extra': { deep: [true] },
  });
});

test('begins the fallback index where there is none', async () => {
  await using registry = await startRegistry({});
  await registry.store.push('team/app', subject, artifact);
  expect(registry.tag()).toEqual({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [artifact.descriptor],
  });
});

test.each<[string, Answer | undefined]>([
  ['where there is none', undefined],
  ['that lists others', index([entry('a')])],
  ['that lists it', index([artifact.descriptor])],
])('gives the list as the fallback index %s was read last', async (_, tag) => {
  await using registry = await startRegistry(tag === undefined ? {} : { tag });
  const listed = await registry.store.push('team/app', subject, artifact);
  expect(registry.requests().at(-1)).toMatch(/^GET manifests\/sha256-/);
  expect(listed).toEqual(await registry.store.list('team/app', subject.digest));
  expect(listed?.map(({ digest }) => digest)).toContain(artifact.descriptor.digest);
});

test('changes nothing in the fallback index when the signature is listed', async () => {
  await using registry = await startRegistry({});
  await registry.store.push('team/app', subject, artifact);
  await registry.store.push('team/app', subject, artifact);
  expect(registry.requests().filter((request) => request.startsWith('PUT manifests/sha256-'))).toHaveLength(1);
});

test('signatures pushed at the same time are all listed', async () => {
  await using registry = await startRegistry({});
  const artifacts = ['1', '2', '3', '4', '5'].map((text) => signatureArtifact(subject, text));
  await Promise.all(artifacts.map((each) => registry.store.push('team/app', subject, each)));
  expect(
    registry
      .tag()
      .manifests.map(({ digest }: Descriptor) => digest)
      .sort(),
  ).toEqual(artifacts.map(({ descriptor }) => descriptor.digest).sort());
});

test('enters the signature once more when another program wrote over it', async () => {
  const foreign = [entry('a')];
  await using registry = await startRegistry({ overwrite: (pushes) => (pushes === 1 ? index(foreign) : undefined) });
  await registry.store.push('team/app', subject, artifact);
  expect(registry.tag().manifests).toEqual([...foreign, artifact.descriptor]);
  expect(registry.lock.held).toHaveLength(2);
});

test('says that the signature does not stay when it is lost twice', async () => {
  await using registry = await startRegistry({ overwrite: () => index([entry('a')]) });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({
    code: 'signature-not-found',
  });
  expect(registry.lock.held).toHaveLength(2);
});

test.each<[string, Answer]>([
  ['is an image', { headers: { 'content-type': mediaTypes.ociManifest }, body: '{"layers":[]}' }],
  ['is a Docker list', { headers: { 'content-type': mediaTypes.dockerManifestList }, body: '{"manifests":[]}' }],
  ['is no JSON', { headers: { 'content-type': mediaTypes.ociIndex }, body: '<html>' }],
  ['has an entry that cannot be read', index([entry('a'), { digest: 'x' }])],
  ['has no entries at all', { headers: { 'content-type': mediaTypes.ociIndex }, body: '{}' }],
  ['is too large', { headers: { 'content-type': mediaTypes.ociIndex }, body: Buffer.alloc(5 * 1024 * 1024, 0x20) }],
  ['has too many entries', index(['1', '2', '3', '4', '6', '7'].map((digit) => entry(digit)))],
  [
    'comes with another digest',
    {
      ...index([]),
      headers: { 'content-type': mediaTypes.ociIndex, 'docker-content-digest': `sha256:${'0'.repeat(64)}` },
    },
  ],
])('a fallback tag that %s is neither an empty list nor written over', async (_, tag) => {
  await using registry = await startRegistry({ tag });
  await expect(registry.store.list('team/app', subject.digest)).rejects.toMatchObject({ code: 'referrers-incomplete' });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({
    code: 'referrers-incomplete',
  });
  expect(registry.requests()).not.toContain(`PUT ${tagPath.replace('/v2/team/app/', '')}`);
});

test('does not let the fallback index grow beyond what it reads', async () => {
  await using registry = await startRegistry({ tag: index(['1', '2', '3', '4', '6'].map((digit) => entry(digit))) });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({
    code: 'referrers-incomplete',
  });
  expect(registry.requests()).not.toContain(`PUT ${tagPath.replace('/v2/team/app/', '')}`);
});

test('writes no fallback index once the deadline of the lock has passed', async () => {
  await using server = await startScriptedServer(({ method }) => ({
    status: method === 'GET' || method === 'HEAD' ? 404 : 201,
  }));
  await using client = clientFor(server.host);
  const controller = new AbortController();
  const store = createSignatureStore({
    client: {
      ...client,
      getManifest: async (...call) => {
        const manifest = client.getManifest(...call);
        await manifest.catch(() => controller.abort(new Error('the deadline has passed')));
        return await manifest;
      },
    },
    lock: { hold: (_, work) => work(controller.signal, () => undefined) },
  });
  await expect(store.push('team/app', subject, artifact)).rejects.toThrow('the deadline has passed');
  expect(server.received.filter(({ method, path }) => method === 'PUT' && path === tagPath)).toEqual([]);
});

test('writes no fallback index when the clock says that the lock is lost, though no timer has run yet', async () => {
  await using server = await startScriptedServer(({ method }) => ({
    status: method === 'GET' || method === 'HEAD' ? 404 : 201,
  }));
  await using client = clientFor(server.host);
  const lost = () => {
    throw new AutosignError('lock-lost', 'the process was frozen');
  };
  const lock: SubjectLock = { hold: (_, work) => work(new AbortController().signal, lost) };
  const store = createSignatureStore({ client, lock });
  await expect(store.push('team/app', subject, artifact)).rejects.toThrow('the process was frozen');
  expect(server.received.filter(({ method, path }) => method === 'PUT' && path === tagPath)).toEqual([]);
});

test.each([403, 500])('a fallback tag that answers %i is no empty list', async (status) => {
  await using registry = await startRegistry({ tag: { status } });
  await expect(registry.store.list('team/app', subject.digest)).rejects.toMatchObject({
    code: expect.stringMatching(/^registry-/),
  });
});

test('asks both API and fallback tag, and lists each once, until a push was answered', async () => {
  const api = () => index([entry('a'), entry('b')]);
  await using registry = await startRegistry({
    api,
    tag: index([entry('b'), entry('c')]),
    pushed: () => keepsTheList,
  });
  const before = await registry.store.list('team/app', subject.digest);
  expect(before.map(({ digest }) => digest[7]).join('')).toBe('abc');
  await registry.store.push('team/app', subject, artifact);
  const after = await registry.store.list('team/app', subject.digest);
  expect(after.map(({ digest }) => digest[7]).join('')).toBe('ab');
});

test('a registry with an empty answer for everything is found out by the push', async () => {
  await using registry = await startRegistry({ api: () => index([]) });
  await registry.store.push('team/app', subject, artifact);
  const listed = await registry.store.list('team/app', subject.digest);
  expect(listed).toEqual([artifact.descriptor]);
  expect(registry.requests()).not.toContain(`GET referrers/${subject.digest}`);
});

test('an API that has answered pushes and is gone now is no empty list', async () => {
  await using registry = await startRegistry({ pushed: () => keepsTheList });
  await registry.store.push('team/app', subject, artifact);
  await expect(registry.store.list('team/app', subject.digest)).rejects.toMatchObject({ code: 'referrers-incomplete' });
});

test.each([
  ['its own list', (): Answer => index([entry('1')]), index([])],
  ['its own list and the fallback index', (): Answer => index([entry('1')]), index([entry('1'), entry('2')])],
])('a signature that is gone and stays in %s is an incomplete listing', async (_where, api, tag) => {
  await using registry = await startRegistry({ api, tag, pushed: () => ({ status: 404 }) });
  const forgetting = registry.store.forget('team/app', subject.digest, [entry('1') as Descriptor]);
  await expect(forgetting).rejects.toMatchObject({
    code: 'referrers-incomplete',
    message: expect.stringMatching(/the registry lists the signature sha256:1{64}, which is gone/),
  });
});

test('forgets nothing that is there, nor what it was not told of', async () => {
  await using registry = await startRegistry({ tag: index([entry('1'), entry('2')]), api: () => ({ status: 404 }) });
  await registry.store.forget('team/app', subject.digest, [entry('3') as Descriptor]);
  expect(registry.requests().filter((request) => request.startsWith('PUT'))).toEqual([]);
});

test('a registry that names another subject is not believed', async () => {
  await using registry = await startRegistry({
    pushed: () => ({ status: 201, headers: { 'oci-subject': `sha256:${'6'.repeat(64)}` } }),
  });
  await expect(registry.store.push('team/app', subject, artifact)).rejects.toMatchObject({ code: 'registry-protocol' });
});

test('pushes nothing when the bytes are not those of the digests', async () => {
  await using registry = await startRegistry({});
  const broken = { ...artifact, manifest: Buffer.from('{}') };
  await expect(registry.store.push('team/app', subject, broken)).rejects.toMatchObject({ code: 'digest-mismatch' });
  expect(registry.server.received).toEqual([]);
});

test('locks by the name it is given', async () => {
  await using server = await startScriptedServer(({ method }) => ({
    status: method === 'GET' || method === 'HEAD' ? 404 : 201,
  }));
  await using client = clientFor(server.host);
  const lock = createInProcessLock();
  const lockName = (repository: string, digest: Digest): string => `one ${repository} ${digest}`;
  const store = createSignatureStore({ client, lock, lockName });
  await expect(store.push('team/app', subject, artifact)).rejects.toMatchObject({ code: 'signature-not-found' });
  expect(new Set(lock.held)).toEqual(new Set([`one team/app ${subject.digest}`]));
});
