import { expect, test } from 'vitest';
import type { Digest } from '../../../src/domain/digest.ts';
import { clientFor } from './client-for.ts';
import { type Answer, startScriptedServer } from './scripted-server.ts';

const subject: Digest = `sha256:${'5'.repeat(64)}`;
const indexType = 'application/vnd.oci.image.index.v1+json';

function entry(digit: string, more: object = {}) {
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${digit.repeat(64)}`,
    size: 7,
    ...more,
  };
}

function list(manifests: unknown, headers: Record<string, string> = {}): Answer {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests });
  return { headers: { 'content-type': indexType, ...headers }, body };
}

async function referrersFrom(answer: Answer) {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host, {
    limits: { listBytesMax: 5_000, referrersMax: 5, referrersPagesMax: 4 },
  });
  return await client.getReferrers('team/app', subject);
}

test('walks all pages, unfiltered, and lists each referrer once', async () => {
  const annotations = { a: 'b' };
  await using registry = await startScriptedServer(({ path }) =>
    path.endsWith('?page=2')
      ? list([entry('b'), entry('c', { artifactType: null, annotations: null })])
      : list([entry('a', { artifactType: 'x/y', annotations }), entry('b')], { link: '<?page=2>; rel="next"' }),
  );
  await using client = clientFor(registry.host);
  const { supported, referrers } = await client.getReferrers('team/app', subject);
  expect(supported).toBe(true);
  expect(referrers).toEqual([entry('a', { artifactType: 'x/y', annotations }), entry('b'), entry('c')]);
  expect(registry.received[0]?.path).toBe(`/v2/team/app/referrers/${subject}`);
});

test.each([[[]], [null]])('a list of %j is empty', async (manifests) => {
  expect(await referrersFrom(list(manifests))).toEqual({ supported: true, referrers: [] });
});

test('leaves out what has a digest of another algorithm', async () => {
  const { referrers } = await referrersFrom(list([entry('a'), { ...entry('b'), digest: `sha512:${'b'.repeat(128)}` }]));
  expect(referrers).toEqual([entry('a')]);
});

test.each<Answer>([
  { status: 404, body: '404 page not found' },
  { status: 400 },
  { status: 405 },
  { status: 406 },
  { headers: { 'content-type': 'text/html' }, body: '<html>' },
  { headers: { 'content-type': 'application/json' }, body: '{}' },
])('a registry that answers %o has no referrers API', async (answer) => {
  expect(await referrersFrom(answer)).toEqual({ supported: false, referrers: [] });
});

test.each<[string, Answer, string]>([
  ['garbage', { headers: { 'content-type': indexType }, body: '<html>' }, 'referrers-incomplete'],
  [
    'a list that is cut off',
    { headers: { 'content-type': indexType }, body: '{"manifests":[' },
    'referrers-incomplete',
  ],
  ['no list', { headers: { 'content-type': indexType }, body: '{}' }, 'referrers-incomplete'],
  ['an entry without digest', list([entry('a'), { mediaType: 'a', size: 1 }]), 'referrers-incomplete'],
  ['an entry with a malformed digest', list([{ ...entry('a'), digest: 'sha256' }]), 'referrers-incomplete'],
  ['an entry with a negative size', list([{ ...entry('a'), size: -1 }]), 'referrers-incomplete'],
  ['annotations that are no text', list([entry('a', { annotations: { a: 1 } })]), 'referrers-incomplete'],
  ['too many entries', list(['1', '2', '3', '4', '6', '7'].map((digit) => entry(digit))), 'referrers-incomplete'],
  ['too large a page', list([entry('a', { annotations: { a: 'x'.repeat(5_000) } })]), 'referrers-incomplete'],
  ['pages without end', list([entry('a')], { link: '<?again>; rel="next"' }), 'referrers-incomplete'],
  ['another host for the next page', list([], { link: '<http://elsewhere.example/>; rel="next"' }), 'host-refused'],
  ['401', { status: 401 }, 'registry-denied'],
  ['a redirect', { status: 307, headers: { location: '/x' } }, 'host-refused'],
  ['500', { status: 500 }, 'registry-unreachable'],
])('%s is an error and never an empty list', async (_, answer, code) => {
  await expect(referrersFrom(answer)).rejects.toMatchObject({ code });
});

test.each([404, 400, 200])(
  'a further page that answers %i without a list leaves the list incomplete',
  async (status) => {
    await using registry = await startScriptedServer(({ path }) =>
      path.includes('page=2') ? { status, body: 'nothing' } : list([entry('a')], { link: '<?page=2>; rel="next"' }),
    );
    await using client = clientFor(registry.host);
    await expect(client.getReferrers('team/app', subject)).rejects.toMatchObject({ code: 'referrers-incomplete' });
  },
);
