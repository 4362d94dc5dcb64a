import { expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import { basicHeader, clientFor, credentials } from './client-for.ts';
import { type Answer, type Script, startScriptedServer } from './scripted-server.ts';

const bytes = Buffer.from('an envelope');
const digest = digestOf(bytes);
const descriptor = { digest, size: bytes.byteLength };

/** Asks for Basic credentials before `script` is played, so that every later request could carry them elsewhere. */
function behindLogin(script: Script): Script {
  return (received, response) =>
    received.headers.authorization === undefined
      ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      : script(received, response);
}

function redirectTo(location: string): Answer {
  return { status: 307, headers: { location } };
}

test('reads a blob from the registry itself', async () => {
  await using registry = await startScriptedServer(() => ({ body: bytes }));
  await using client = clientFor(registry.host);
  expect(Buffer.from(await client.getBlob('team/app', descriptor, 100))).toEqual(bytes);
  expect(registry.received).toMatchObject([{ method: 'GET', path: `/v2/team/app/blobs/${digest}` }]);
});

test('follows a redirect to object storage and takes no byte of the credentials there', async () => {
  await using storage = await startScriptedServer(({ path }) =>
    path === '/hop' ? redirectTo('/blob?Signature=x%2Fy') : { body: bytes },
  );
  await using registry = await startScriptedServer(behindLogin(() => redirectTo(`${storage.origin}/hop`)));
  await using client = clientFor(registry.host, { login: credentials });
  expect(Buffer.from(await client.getBlob('team/app', descriptor, 100))).toEqual(bytes);
  expect(storage.received.map(({ path }) => path)).toEqual(['/hop', '/blob?Signature=x%2Fy']);
  expect(storage.transcript()).not.toMatch(/authorization/i);
  expect(storage.transcript()).not.toContain(basicHeader.slice('Basic '.length));
});

test('follows three redirects and not four', async () => {
  let hops = 0;
  await using registry = await startScriptedServer(() => {
    hops -= 1;
    return hops < 0 ? { body: bytes } : redirectTo('/again');
  });
  await using client = clientFor(registry.host);
  hops = 3;
  await expect(client.getBlob('team/app', descriptor, 100)).resolves.toBeDefined();
  hops = 4;
  await expect(client.getBlob('team/app', descriptor, 100)).rejects.toMatchObject({ code: 'host-refused' });
});

test.each([
  ['http://10.0.0.1/blob', 'host-refused'],
  ['http://169.254.169.254/latest/meta-data', 'host-refused'],
  ['http://storage.example.com/blob', 'host-refused'],
  ['http://user:secret@127.0.0.1/blob', 'host-refused'],
  ['file:///etc/passwd', 'registry-protocol'],
])('does not follow a redirect to %s', async (location, code) => {
  await using registry = await startScriptedServer(() => redirectTo(location));
  await using client = clientFor(registry.host);
  await expect(client.getBlob('team/app', descriptor, 100)).rejects.toMatchObject({ code });
  expect(registry.received).toHaveLength(1);
});

test.each<[string, Answer, string]>([
  ['is not there', { status: 404 }, 'not-found'],
  ['is another one', { body: 'an attacker' }, 'digest-mismatch'],
  ['is shorter than announced', { body: 'an' }, 'digest-mismatch'],
  ['is larger than allowed', { body: Buffer.alloc(101) }, 'too-large'],
  ['is denied', { status: 403 }, 'registry-denied'],
  ['is redirected to nowhere', { status: 307 }, 'registry-protocol'],
])('a blob that %s is refused', async (_, answer, code) => {
  await using registry = await startScriptedServer(() => answer);
  await using client = clientFor(registry.host);
  await expect(client.getBlob('team/app', descriptor, 100)).rejects.toMatchObject({ code });
});

test('a blob from storage is checked like any other', async () => {
  await using storage = await startScriptedServer(({ path }) =>
    path.startsWith('/expired') ? { status: 403 } : { body: 'an attacker' },
  );
  let path = '/blob';
  await using registry = await startScriptedServer(() => redirectTo(`${storage.origin}${path}?token=secret`));
  await using client = clientFor(registry.host);
  await expect(client.getBlob('team/app', descriptor, 100)).rejects.toMatchObject({ code: 'digest-mismatch' });
  path = '/expired';
  const error: Error = await client.getBlob('team/app', descriptor, 100).catch((reason) => reason);
  expect(error).toMatchObject({ code: 'registry-protocol' });
  expect(error.message).not.toContain('secret');
});

test('asks for nothing that is announced larger than allowed', async () => {
  await using registry = await startScriptedServer(() => ({ body: bytes }));
  await using client = clientFor(registry.host);
  await expect(client.getBlob('team/app', { digest, size: 101 }, 100)).rejects.toMatchObject({ code: 'too-large' });
  expect(registry.received).toEqual([]);
});

test.each([
  [200, true],
  [307, true],
  [404, false],
])('a HEAD answered with %i tells that a blob is there: %s', async (status, expected) => {
  await using registry = await startScriptedServer(() => ({ status, headers: { location: 'http://10.0.0.1/' } }));
  await using client = clientFor(registry.host);
  expect(await client.hasBlob('team/app', digest)).toBe(expected);
});

test('a HEAD answered with an error tells nothing', async () => {
  await using registry = await startScriptedServer(() => ({ status: 403 }));
  await using client = clientFor(registry.host);
  await expect(client.hasBlob('team/app', digest)).rejects.toMatchObject({ code: 'registry-denied' });
});

test('uploads in one request where the registry takes it', async () => {
  await using registry = await startScriptedServer(() => ({ status: 201 }));
  await using client = clientFor(registry.host);
  await client.uploadBlob('team/app', bytes, digest);
  expect(registry.received).toMatchObject([
    { method: 'POST', path: `/v2/team/app/blobs/uploads/?digest=${encodeURIComponent(digest)}`, body: bytes },
  ]);
});

test('sends the bytes once where the registry has shown that it opens an upload for them', async () => {
  await using registry = await startScriptedServer(({ method }) =>
    method === 'POST' ? { status: 202, headers: { location: '/u' } } : { status: 201 },
  );
  await using client = clientFor(registry.host);
  await client.uploadBlob('team/app', bytes, digest);
  await client.uploadBlob('team/other', bytes, digest);
  expect(registry.received.slice(2)).toMatchObject([
    { method: 'POST', path: '/v2/team/other/blobs/uploads/', body: Buffer.alloc(0) },
    { method: 'PUT', path: `/u?digest=${encodeURIComponent(digest)}`, body: bytes },
  ]);
});

test('believes no upload to be whole that was opened without its bytes', async () => {
  const answers: Answer[] = [{ status: 202, headers: { location: '/u' } }, { status: 201 }, { status: 201 }];
  await using registry = await startScriptedServer(() => answers.shift() ?? { status: 500 });
  await using client = clientFor(registry.host);
  await client.uploadBlob('team/app', bytes, digest);
  await expect(client.uploadBlob('team/other', bytes, digest)).rejects.toMatchObject({ code: 'registry-protocol' });
});

test.each([
  ['/v2/team/app/blobs/uploads/1?_state=a%2Fb+c%20d==', '?_state=a%2Fb+c%20d==&digest='],
  ['/v2/team/app/blobs/uploads/1', '?digest='],
])('completes an upload at the Location %s with its query as it is', async (location, query) => {
  await using registry = await startScriptedServer(({ method }) =>
    method === 'POST' ? { status: 202, headers: { location } } : { status: 201 },
  );
  await using client = clientFor(registry.host);
  await client.uploadBlob('team/app', bytes, digest);
  expect(registry.received[1]).toMatchObject({
    method: 'PUT',
    path: `/v2/team/app/blobs/uploads/1${query}${encodeURIComponent(digest)}`,
    body: bytes,
  });
});

test('sends neither upload nor credentials to a Location on another host', async () => {
  await using elsewhere = await startScriptedServer(() => ({ status: 201 }));
  let location = `${elsewhere.origin}/upload`;
  await using registry = await startScriptedServer(behindLogin(() => ({ status: 202, headers: { location } })));
  await using client = clientFor(registry.host, { login: credentials });
  await expect(client.uploadBlob('team/app', bytes, digest)).rejects.toMatchObject({ code: 'host-refused' });
  location = `//${elsewhere.host}/upload`;
  await expect(client.uploadBlob('team/app', bytes, digest)).rejects.toMatchObject({ code: 'host-refused' });
  location = `https://${registry.host}/upload`;
  await expect(client.uploadBlob('team/app', bytes, digest)).rejects.toMatchObject({ code: 'host-refused' });
  expect(elsewhere.received).toEqual([]);
  expect(registry.received.every(({ method }) => method === 'POST')).toBe(true);
});

test.each<[string, Answer, Answer, string]>([
  ['is redirected', redirectTo('/other'), {}, 'host-refused'],
  ['is opened without Location', { status: 202 }, {}, 'registry-protocol'],
  ['is denied', { status: 403 }, {}, 'registry-denied'],
  [
    'is refused at the end',
    { status: 202, headers: { location: '/u?_state=secret' } },
    { status: 400 },
    'registry-protocol',
  ],
  [
    'is redirected at the end',
    { status: 202, headers: { location: '/u?_state=secret' } },
    redirectTo('/u'),
    'host-refused',
  ],
])('an upload that %s fails', async (_, opened, completed, code) => {
  await using registry = await startScriptedServer(({ method }) => (method === 'POST' ? opened : completed));
  await using client = clientFor(registry.host);
  const error: Error = await client.uploadBlob('team/app', bytes, digest).catch((reason) => reason);
  expect(error).toMatchObject({ code });
  expect(error.message).not.toContain('secret');
});
