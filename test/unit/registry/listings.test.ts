import { expect, test } from 'vitest';
import { basicHeader, clientFor, credentials } from './client-for.ts';
import { type Answer, startScriptedServer } from './scripted-server.ts';

function page(names: object, next?: string): Answer {
  return { headers: next === undefined ? {} : { link: `<${next}>; rel="next"` }, body: JSON.stringify(names) };
}

test('walks all pages of the catalogue', async () => {
  await using registry = await startScriptedServer(({ path }) =>
    path.includes('last=b')
      ? page({ repositories: ['team/c'] })
      : page({ repositories: ['a', 'b'] }, '/v2/_catalog?last=b&n=1000'),
  );
  await using client = clientFor(registry.host);
  expect(await Array.fromAsync(client.listRepositories())).toEqual(['a', 'b', 'team/c']);
  expect(registry.received.map(({ path }) => path)).toEqual(['/v2/_catalog?n=1000', '/v2/_catalog?last=b&n=1000']);
});

test('walks all pages of the tags, with a Link relative to the page', async () => {
  await using registry = await startScriptedServer(({ path }) =>
    path.includes('last=') ? page({ name: 'a', tags: ['v2'] }) : page({ name: 'a', tags: ['v1'] }, 'list?last=v1'),
  );
  await using client = clientFor(registry.host);
  expect(await Array.fromAsync(client.listTags('team/app'))).toEqual(['v1', 'v2']);
  expect(registry.received[1]?.path).toBe('/v2/team/app/tags/list?last=v1');
});

test.each<[string, Answer]>([
  ['is not there', { status: 404, body: '{"errors":[{"code":"NAME_UNKNOWN"}]}' }],
  ['has null for tags', page({ name: 'a', tags: null })],
  ['has no tags', page({ name: 'a', tags: [] })],
])('a repository that %s has no tags', async (_, answer) => {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host);
  expect(await Array.fromAsync(client.listTags('team/app'))).toEqual([]);
});

test.each<[string, Answer, string]>([
  ['is missing', { status: 404 }, 'not-found'],
  ['is denied', { status: 401 }, 'registry-denied'],
  ['is no JSON', { body: '<html>' }, 'registry-protocol'],
  ['is another document', { body: '{}' }, 'registry-protocol'],
  ['holds a name that no path can hold', page({ repositories: ['a', '../b'] }), 'registry-protocol'],
  ['is too large', { body: Buffer.alloc(10_000, 0x20) }, 'too-large'],
  ['never ends', page({ repositories: ['a'] }, '/v2/_catalog?again'), 'registry-protocol'],
  ['is a redirect', { status: 302, headers: { location: '/v2/other' } }, 'host-refused'],
])('a catalogue that %s is an error', async (_, answer, code) => {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host, { limits: { listBytesMax: 5_000, listPagesMax: 5 } });
  await expect(Array.fromAsync(client.listRepositories())).rejects.toMatchObject({ code });
  expect(registry.received.length).toBeLessThanOrEqual(5);
});

test('a next page on another host is refused, and nothing is sent there', async () => {
  await using elsewhere = await startScriptedServer(() => page({ repositories: ['evil'] }));
  await using registry = await startScriptedServer(({ headers }) =>
    headers.authorization === undefined
      ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      : page({ repositories: ['a'], tags: ['a'] }, `${elsewhere.origin}/v2/_catalog`),
  );
  await using client = clientFor(registry.host, { login: credentials });
  await expect(Array.fromAsync(client.listRepositories())).rejects.toMatchObject({ code: 'host-refused' });
  await expect(Array.fromAsync(client.listTags('team/app'))).rejects.toMatchObject({ code: 'host-refused' });
  expect(registry.transcript()).toContain(basicHeader);
  expect(elsewhere.received).toEqual([]);
});

test.each([
  [
    'gives the rest after `last`',
    ['a', 'b', 'c'],
    (all: string[], last: string | null) => all.filter((name) => name > (last ?? '')).slice(0, 2),
    2,
  ],
  [
    'has nothing after the last full page',
    ['a', 'b'],
    (all: string[], last: string | null) => all.filter((name) => name > (last ?? '')),
    2,
  ],
  ['gives the same page for ever', ['a', 'b'], (all: string[]) => all, 2],
  ['gives everything at once', ['a', 'b', 'c'], (all: string[]) => all, 1],
])('finds every tag, once, without Link where a registry %s', async (_, all, tagsAfter, requests) => {
  await using registry = await startScriptedServer(({ path }) =>
    page({ tags: tagsAfter(all, new URL(path, 'http://x').searchParams.get('last')) }),
  );
  await using client = clientFor(registry.host, { limits: { listPageSize: 2 } });
  expect(await Array.fromAsync(client.listTags('team/app'))).toEqual(all);
  expect(registry.received).toHaveLength(requests);
});

test('a catalogue whose full page comes again is an error, because names may be missing', async () => {
  await using registry = await startScriptedServer(() => page({ repositories: ['a', 'b'] }));
  await using client = clientFor(registry.host, { limits: { listPageSize: 2 } });
  await expect(Array.fromAsync(client.listRepositories())).rejects.toMatchObject({ code: 'registry-protocol' });
});
