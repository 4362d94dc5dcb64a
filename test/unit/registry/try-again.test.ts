import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import { tryAgain } from '../../../src/domain/try-again.ts';
import { registryLimits } from '../../../src/registry/registry-limits.ts';
import { clientFor } from './client-for.ts';
import { type Answer, type Received, startScriptedServer } from './scripted-server.ts';

const limits = { tryAgainAfterMs: 1 };
const bytes = Buffer.from('{}');
const digest = digestOf(bytes);
const image = { headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }, body: '{}' };

/** A registry that gives these answers in turn, `cut` for a connection that ends without one. */
function inTurn(answers: readonly (Answer | 'cut')[]) {
  const left = [...answers];
  return startScriptedServer((_, response) => {
    const answer = left.shift() ?? { status: 418 };
    if (answer !== 'cut') return answer;
    response.destroy();
    return undefined;
  });
}

const methodAndPath = ({ method, path }: Received) => `${method} ${path}`;

test.each<[string, Answer | 'cut']>([
  ['429', { status: 429 }],
  ['500', { status: 500 }],
  ['502', { status: 502 }],
  ['503', { status: 503 }],
  ['504', { status: 504 }],
  ['a cut connection', 'cut'],
])('a read goes on after %s, twice', async (_, failure) => {
  await using registry = await inTurn([failure, failure, image]);
  await using client = clientFor(registry.host, { limits });
  expect((await client.getManifest('team/app', 'v1')).descriptor.digest).toBe(digest);
  expect(registry.received).toHaveLength(3);
});

test('a manifest is put again with the same bytes', async () => {
  await using registry = await inTurn([{ status: 503 }, 'cut', { status: 201, headers: { 'oci-subject': digest } }]);
  await using client = clientFor(registry.host, { limits });
  expect(await client.putManifest('team/app', digest, 'application/json', bytes)).toEqual({ ociSubject: digest });
  expect(registry.received.map(({ method, body }) => [method, body.toString()])).toEqual(
    Array.from({ length: 3 }, () => ['PUT', '{}']),
  );
});

test.each([400, 401, 403, 404, 405])('%i is an answer, not a reason to ask again', async (status) => {
  await using registry = await inTurn([{ status }, image]);
  await using client = clientFor(registry.host, { limits });
  await expect(client.getManifest('team/app', 'v1')).rejects.toThrow(AutosignError);
  expect(registry.received).toHaveLength(1);
});

test.each<[string, Answer | 'cut']>([
  ['500', { status: 500 }],
  ['404, because the instance that opened it is gone', { status: 404 }],
  ['a cut connection', 'cut'],
])('an upload whose end meets %s is begun anew at an address of its own', async (_, failure) => {
  const opened = (upload: number) => ({ status: 202, headers: { location: `/upload/${upload}` } });
  await using registry = await inTurn([opened(1), failure, opened(2), { status: 201 }]);
  await using client = clientFor(registry.host, { limits });
  await client.uploadBlob('team/app', bytes, digest);
  const query = `?digest=${encodeURIComponent(digest)}`;
  expect(registry.received.map(methodAndPath)).toEqual([
    `POST /v2/team/app/blobs/uploads/${query}`,
    `PUT /upload/1${query}`,
    // Without the bytes: the registry has shown that it opens an upload for them.
    `POST /v2/team/app/blobs/uploads/`,
    `PUT /upload/2${query}`,
  ]);
});

test('an upload that never ends well fails after three addresses, each used once', async () => {
  let uploads = 0;
  await using registry = await startScriptedServer(({ method }) => {
    if (method === 'PUT') return { status: 503 };
    uploads += 1;
    return { status: 202, headers: { location: `/upload/${uploads}` } };
  });
  await using client = clientFor(registry.host, { limits });
  await expect(client.uploadBlob('team/app', bytes, digest)).rejects.toMatchObject({ code: 'registry-unreachable' });
  const put = registry.received.filter(({ method }) => method === 'PUT').map(({ path }) => path.split('?')[0]);
  expect(put).toEqual(['/upload/1', '/upload/2', '/upload/3']);
});

test('a short Retry-After is waited for before the next try', async () => {
  const arrivedAt: number[] = [];
  await using registry = await startScriptedServer(() => {
    arrivedAt.push(performance.now());
    return arrivedAt.length === 1 ? { status: 429, headers: { 'retry-after': '1' } } : image;
  });
  await using client = clientFor(registry.host, { limits });
  await client.getManifest('team/app', 'v1');
  expect((arrivedAt[1] ?? 0) - (arrivedAt[0] ?? 0)).toBeGreaterThanOrEqual(990);
});

test.each<[string, object]>([
  ['is longer than what is waited for inside', { retryAfterInsideMsMax: 999 }],
  ['would end after the time for all tries', { tryAgainWithinMs: 999 }],
])('a Retry-After that %s is handed on at once', async (_, more) => {
  await using registry = await inTurn([{ status: 429, headers: { 'retry-after': '1' } }, image]);
  await using client = clientFor(registry.host, { limits: { ...limits, ...more } });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ retryAfterMs: 1_000 });
  expect(registry.received).toHaveLength(1);
});

test('a signal that comes while it waits ends the waiting at once, and nothing is tried after it', async () => {
  const stop = new AbortController();
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    // The waiting begins in the same turn as the failure, so this comes in the middle of it.
    setImmediate(() => stop.abort(new Error('the lock is over')));
    throw new AutosignError('registry-throttled', 'slower', { retryAfterMs: 4_000 });
  };
  const startedAt = performance.now();
  await expect(tryAgain(attempt, { limits: registryLimits, signal: stop.signal })).rejects.toThrow('the lock is over');
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(tries).toBe(1);
});

test('nothing is tried when the signal has come before', async () => {
  let tries = 0;
  const attempt = async () => {
    tries += 1;
  };
  const signal = AbortSignal.abort(new Error('the lock is over'));
  await expect(tryAgain(attempt, { limits: registryLimits, signal })).rejects.toThrow('the lock is over');
  expect(tries).toBe(0);
});

test('nothing is sent when the signal has come before', async () => {
  await using registry = await inTurn([{ status: 201 }]);
  await using client = clientFor(registry.host, { limits });
  const signal = AbortSignal.abort(new Error('the lock is over'));
  await expect(client.putManifest('team/app', 'v1', 'application/json', bytes, { signal })).rejects.toThrow('is over');
  await expect(client.uploadBlob('team/app', bytes, digest, { signal })).rejects.toThrow('is over');
  expect(registry.received).toEqual([]);
});

test('an attempt after which the time is up is not followed by another', async () => {
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    await sleep(30);
    throw new AutosignError('registry-unreachable', 'away');
  };
  const options = { limits: { ...registryLimits, tryAgainAfterMs: 1, tryAgainWithinMs: 20 } };
  await expect(tryAgain(attempt, options)).rejects.toThrow('away');
  expect(tries).toBe(1);
});

test.each([new AutosignError('registry-protocol', 'no HTTP'), new TypeError('x is not a function')])(
  'what is no outage is thrown at once: %s',
  async (error) => {
    let tries = 0;
    const attempt = () => {
      tries += 1;
      return Promise.reject(error);
    };
    await expect(tryAgain(attempt, { limits: registryLimits })).rejects.toBe(error);
    expect(tries).toBe(1);
  },
);
