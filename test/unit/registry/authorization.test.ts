import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/domain/digest.ts';
import type { AutosignError } from '../../../src/domain/errors.ts';
import type { RegistryLogin } from '../../../src/ports/registry-login.ts';
import { basicHeader, clientFor, credentials } from './client-for.ts';
import { type Answer, type Received, type Script, startScriptedServer } from './scripted-server.ts';

const manifest = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}');
const manifestAnswer: Answer = {
  headers: {
    'content-type': 'application/vnd.oci.image.manifest.v1+json',
    'docker-content-digest': digestOf(manifest),
  },
  body: manifest,
};

function bearerChallenge(realm: string): Answer {
  return {
    status: 401,
    headers: { 'www-authenticate': `Bearer realm="${realm}",service="registry.test",scope="repository:wider:*"` },
  };
}

/** A registry that takes `isValid` tokens, and otherwise points to the realm. */
function guarded(realm: () => string, isValid: (token: string) => boolean): Script {
  return ({ method, headers }) => {
    if (!isValid(headers.authorization ?? '')) return bearerChallenge(realm());
    return method === 'PUT' ? { status: 201 } : manifestAnswer;
  };
}

/** A realm that hands out numbered tokens. */
function numberedRealm(answer: object = {}): Script {
  let number = 0;
  return () => {
    number += 1;
    return { body: JSON.stringify({ token: `token-${number}`, ...answer }) };
  };
}

function authorizations(received: readonly Received[]): (string | undefined)[] {
  return received.map(({ headers }) => headers.authorization);
}

test('logs in at the configured realm with its own scope, once, and sends the token from the start afterwards', async () => {
  await using realm = await startScriptedServer(numberedRealm({ expires_in: 600 }));
  await using registry = await startScriptedServer(
    guarded(
      () => `${realm.origin}/auth`,
      (token) => token === 'Bearer token-1',
    ),
  );
  await using client = clientFor(registry.host, { realms: [`${realm.origin}/auth`], login: credentials });
  await client.getManifest('team/app', 'v1');
  await client.getManifest('team/app', 'v2');
  expect(realm.received.map(({ path }) => path)).toEqual([
    '/auth?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull',
  ]);
  expect(authorizations(realm.received)).toEqual([basicHeader]);
  expect(authorizations(registry.received)).toEqual([undefined, 'Bearer token-1', 'Bearer token-1']);
  expect(registry.transcript()).not.toContain(basicHeader);
});

test('asks the remembered realm for another scope without another 401', async () => {
  await using realm = await startScriptedServer(numberedRealm());
  await using registry = await startScriptedServer(
    guarded(
      () => realm.origin,
      (token) => token.startsWith('Bearer token-'),
    ),
  );
  await using client = clientFor(registry.host, { realms: [realm.origin], login: credentials });
  await client.getManifest('team/app', 'v1');
  await client.putManifest('team/app', 'v2', 'application/vnd.oci.image.manifest.v1+json', manifest);
  expect(authorizations(registry.received)).toEqual([undefined, 'Bearer token-1', 'Bearer token-2']);
  expect(realm.received[1]?.path).toContain(encodeURIComponent('repository:team/app:pull,push'));
});

test('asks for the catalogue with the scope of the catalogue', async () => {
  await using realm = await startScriptedServer(numberedRealm());
  await using registry = await startScriptedServer(({ headers }) =>
    headers.authorization === undefined ? bearerChallenge(realm.origin) : { body: '{"repositories":["a"]}' },
  );
  await using client = clientFor(registry.host, { realms: [realm.origin] });
  expect(await Array.fromAsync(client.listRepositories())).toEqual(['a']);
  expect(realm.received[0]?.path).toContain(encodeURIComponent('registry:catalog:*'));
});

test('asks the realm without credentials when the login is anonymous', async () => {
  await using realm = await startScriptedServer(() => ({ body: JSON.stringify({ access_token: 'anonymous' }) }));
  await using registry = await startScriptedServer(
    guarded(
      () => realm.origin,
      (token) => token === 'Bearer anonymous',
    ),
  );
  await using client = clientFor(registry.host, { realms: [realm.origin] });
  await client.getManifest('team/app', 'v1');
  expect(authorizations(realm.received)).toEqual([undefined]);
});

test('callers at the same time share one login', async () => {
  await using realm = await startScriptedServer(numberedRealm());
  await using registry = await startScriptedServer(
    guarded(
      () => realm.origin,
      (token) => token === 'Bearer token-1',
    ),
  );
  await using client = clientFor(registry.host, { realms: [realm.origin], login: credentials });
  await Promise.all(Array.from({ length: 20 }, () => client.getManifest('team/app', 'v1')));
  expect(realm.received).toHaveLength(1);
});

test.each([
  ['says how long', { expires_in: 600 }, 589, 591],
  ['says nothing', {}, 49, 51],
  ['says nonsense', { expires_in: 'for ever' }, 49, 51],
  ['gives a short life', { expires_in: 4 }, 1, 3],
])('gets a new token before the old one ends when the realm %s', async (_, answer, freshAfter, staleAfter) => {
  const begin = Date.parse('2026-01-02T03:04:05Z');
  let seconds = 0;
  await using realm = await startScriptedServer(numberedRealm(answer));
  await using registry = await startScriptedServer(
    guarded(
      () => realm.origin,
      (token) => token !== '',
    ),
  );
  await using client = clientFor(registry.host, {
    realms: [realm.origin],
    login: credentials,
    now: () => new Date(begin + seconds * 1_000),
  });
  await client.getManifest('team/app', 'v1');
  seconds = freshAfter;
  await client.getManifest('team/app', 'v1');
  expect(realm.received).toHaveLength(1);
  seconds = staleAfter;
  await client.getManifest('team/app', 'v1');
  expect(realm.received).toHaveLength(2);
  expect(authorizations(registry.received).at(-1)).toBe('Bearer token-2');
});

test('gets one fresh token when the registry no longer takes the kept one', async () => {
  let valid = 'Bearer token-1';
  await using realm = await startScriptedServer(numberedRealm({ expires_in: 3_600 }));
  await using registry = await startScriptedServer(
    guarded(
      () => realm.origin,
      (token) => token === valid,
    ),
  );
  await using client = clientFor(registry.host, { realms: [realm.origin], login: credentials });
  await client.getManifest('team/app', 'v1');
  valid = 'Bearer token-2';
  await client.getManifest('team/app', 'v1');
  expect(authorizations(registry.received).slice(2)).toEqual(['Bearer token-1', 'Bearer token-2']);
});

test('gives up after one fresh token when a registry challenges for ever', async () => {
  await using realm = await startScriptedServer(numberedRealm());
  await using registry = await startScriptedServer(() => bearerChallenge(realm.origin));
  await using client = clientFor(registry.host, { realms: [realm.origin], login: credentials });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-denied' });
  expect(registry.received).toHaveLength(2);
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-denied' });
  expect(registry.received).toHaveLength(4);
});

test('a repository that is forbidden is denied, with its name', async () => {
  await using registry = await startScriptedServer(() => ({ status: 403, body: '{"errors":[{"code":"DENIED"}]}' }));
  await using client = clientFor(registry.host);
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({
    code: 'registry-denied',
    message: expect.stringContaining(`${registry.host}/team/app:v1: the registry answered 403 (DENIED)`),
  });
});

test.each([
  ['a realm that is not configured', (origin: string) => `${origin}/auth`, (origin: string) => [`${origin}/other`]],
  [
    'a longer path than the configured one',
    (origin: string) => `${origin}/auth/x`,
    (origin: string) => [`${origin}/auth`],
  ],
  ['a query that is not configured', (origin: string) => `${origin}/auth?x=y`, (origin: string) => [`${origin}/auth`]],
  ['no configured realm at all', (origin: string) => origin, () => []],
  ['an http realm of another host', () => 'http://auth.example.com/', () => ['http://auth.example.com/']],
  [
    'a realm with a user name',
    (origin: string) => origin.replace('//', '//user@'),
    (origin: string) => [origin.replace('//', '//user@')],
  ],
])('sends nothing to %s', async (_, realmOf, configured) => {
  await using realm = await startScriptedServer(numberedRealm());
  await using registry = await startScriptedServer(() => bearerChallenge(realmOf(realm.origin)));
  for (const login of [credentials, undefined]) {
    await using client = clientFor(registry.host, { realms: configured(realm.origin), login });
    await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({
      code: 'registry-login-refused',
      message: expect.stringContaining('registries[].realms'),
    });
  }
  expect(realm.received).toEqual([]);
  expect(registry.transcript()).not.toContain(basicHeader);
});

test.each([
  [{ status: 401 }, 'registry-login-refused'],
  [{ status: 403 }, 'registry-login-refused'],
  [{ status: 307, headers: { location: 'http://elsewhere.example/' } }, 'registry-login-refused'],
  [{ status: 404 }, 'registry-protocol'],
  [{ status: 429, headers: { 'retry-after': '7' } }, 'registry-throttled'],
  [{ status: 503 }, 'registry-unreachable'],
  [{ body: 'no json' }, 'registry-protocol'],
  [{ body: '{}' }, 'registry-protocol'],
  [{ body: '{"token":""}' }, 'registry-protocol'],
  [{ body: '{"token":"a\\r\\nx-evil: 1"}' }, 'registry-protocol'],
  [{ body: JSON.stringify({ token: 'x'.repeat(70_000) }) }, 'registry-protocol'],
])('a realm that answers %o fails with %s, without the password in the message', async (answer: Answer, code) => {
  await using realm = await startScriptedServer(() => answer);
  await using registry = await startScriptedServer(() => bearerChallenge(realm.origin));
  await using client = clientFor(registry.host, { realms: [realm.origin], login: credentials });
  const error: Error = await client.getManifest('team/app', 'v1').catch((reason) => reason);
  expect(error).toMatchObject({ code });
  expect(`${error.stack}${JSON.stringify(error)}`).not.toContain(credentials.password);
  expect(error.message).toContain(realm.host);
  // Only an outage is a reason to ask once more.
  expect(realm.received).toHaveLength(answer.status === 503 ? 3 : 1);
});

test('asks the registry again after a realm failed, in case it has moved', async () => {
  await using broken = await startScriptedServer((_, response) => void response.destroy());
  await using realm = await startScriptedServer(numberedRealm());
  let current = broken.origin;
  await using registry = await startScriptedServer(
    guarded(
      () => current,
      (token) => token === 'Bearer token-1',
    ),
  );
  await using client = clientFor(registry.host, { realms: [broken.origin, realm.origin], login: credentials });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-unreachable' });
  current = realm.origin;
  await expect(client.getManifest('team/app', 'v1')).resolves.toBeDefined();
});

test('answers a Basic challenge of the registry itself, and sends it from the start afterwards', async () => {
  await using registry = await startScriptedServer(({ headers }) =>
    headers.authorization === basicHeader
      ? manifestAnswer
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
  );
  await using client = clientFor(registry.host, { login: credentials });
  await client.getManifest('team/app', 'v1');
  await client.getManifest('team/app', 'v1');
  expect(authorizations(registry.received)).toEqual([undefined, basicHeader, basicHeader]);
});

test.each([
  ['a wrong password', credentials],
  ['no login', undefined],
])('a Basic challenge with %s is a refused login', async (_, login) => {
  await using registry = await startScriptedServer(() => ({
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="x"' },
  }));
  await using client = clientFor(registry.host, { login });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-login-refused' });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-login-refused' });
});

test.each([undefined, 'Negotiate', 'Digest realm="x"', '"'])(
  'a 401 with the challenge %s is denied',
  async (challenge) => {
    const headers = challenge === undefined ? {} : { 'www-authenticate': challenge };
    await using registry = await startScriptedServer(() => ({ status: 401, headers }));
    await using client = clientFor(registry.host, { login: credentials });
    await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-denied' });
    expect(registry.received).toHaveLength(1);
  },
);

/** A login that gives another password after each that was refused. */
function renewable() {
  let number = 1;
  const given = () => ({ username: 'cr_temp_user', password: `password-${number}` });
  let current = given();
  const login: RegistryLogin = {
    credentials: async () => current,
    forget: (refused) => {
      if (refused !== current) return;
      number += 1;
      current = given();
    },
  };
  return { login, basic: (of: number) => `Basic ${Buffer.from(`cr_temp_user:password-${of}`).toString('base64')}` };
}

test('a login that the realm refuses is asked for anew, once', async () => {
  const { login, basic } = renewable();
  await using realm = await startScriptedServer(({ headers }) =>
    headers.authorization === basic(2) ? { body: '{"token":"token-1"}' } : { status: 401 },
  );
  await using registry = await startScriptedServer(
    guarded(
      () => realm.origin,
      (token) => token === 'Bearer token-1',
    ),
  );
  await using client = clientFor(registry.host, { realms: [realm.origin], login });
  await client.getManifest('team/app', 'v1');
  expect(authorizations(realm.received)).toEqual([basic(1), basic(2)]);
});

test('a realm that refuses every login is asked twice', async () => {
  const { login } = renewable();
  await using realm = await startScriptedServer(() => ({ status: 401 }));
  await using registry = await startScriptedServer(() => bearerChallenge(realm.origin));
  await using client = clientFor(registry.host, { realms: [realm.origin], login });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-login-refused' });
  expect(realm.received).toHaveLength(2);
});

describe('the instance behind a host', () => {
  const acr = {
    instanceId: 'cri-mine',
    region: 'cn-hangzhou',
    accountId: undefined,
    endpoint: 'cr.cn-hangzhou.aliyuncs.com',
    role: undefined,
    stsEndpoint: 'sts.cn-hangzhou.aliyuncs.com',
  };

  test.each([
    ['registry.aliyuncs.com:cn-hangzhou:china:cri-mine', true],
    ['registry.aliyuncs.com:cn-hangzhou:china:cri-mine-suffix', true],
    ['registry.aliyuncs.com:cn-hangzhou:26842', true],
    ['registry.aliyuncs.com:cn-hangzhou:china:cri-theirs', false],
  ])('with the service %s is asked for a token: %s', async (service, isAsked) => {
    await using realm = await startScriptedServer(numberedRealm());
    await using registry = await startScriptedServer(({ headers }) =>
      headers.authorization === undefined
        ? { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm.origin}",service="${service}"` } }
        : manifestAnswer,
    );
    await using client = clientFor(registry.host, { acr, realms: [realm.origin], login: credentials });
    const outcome = await client.getManifest('team/app', 'v1').then(
      () => 'read',
      (error: AutosignError) => `${error.code}: ${error.message}`,
    );
    expect(outcome).toMatch(isAsked ? /^read$/ : /^registry-login-refused: .*cri-theirs.*cri-mine/);
    expect(realm.received).toHaveLength(isAsked ? 1 : 0);
  });

  test('its password is not sent to a host that asks for it itself', async () => {
    await using registry = await startScriptedServer(({ headers }) =>
      headers.authorization === undefined ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } } : {},
    );
    await using client = clientFor(registry.host, { acr, login: credentials });
    await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({
      code: 'registry-login-refused',
      message: expect.stringMatching(/nothing was sent.*registries\[\]\.host/),
    });
    expect(authorizations(registry.received)).toEqual([undefined]);
  });
});
