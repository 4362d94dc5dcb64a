import 'reflect-metadata';
import { KeyObject, randomUUID, sign, webcrypto } from 'node:crypto';
import { type X509Certificate, X509CertificateGenerator } from '@peculiar/x509';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningRegistry, startDockerRegistry } from '../../../infra/processes/start-docker-registry.ts';
import { type Digest, digestOf } from '../../../src/domain/digest.ts';
import { uniqueRepository } from '../../support/names.ts';
import { basicHeader, clientFor, credentials } from '../../unit/registry/client-for.ts';
import { type ScriptedServer, startScriptedServer } from '../../unit/registry/scripted-server.ts';

const service = 'registry.test';
const issuer = 'realm.test';
const writable = uniqueRepository();

let registry: RunningRegistry;
let realm: ScriptedServer;

beforeAll(async () => {
  const tokenIssuer = await createIssuer();
  realm = await startScriptedServer(({ path, headers }) => {
    if (headers.authorization !== basicHeader) return { status: 401 };
    const [type = '', name = '', actions = ''] = new URL(path, 'http://x').searchParams.get('scope')?.split(':') ?? [];
    const isGranted = name === writable || type === 'registry';
    const access = isGranted ? [{ type, name, actions: actions.split(',') }] : [];
    return { body: JSON.stringify({ token: tokenFor(access, tokenIssuer), expires_in: 300 }) };
  });
  registry = await startDockerRegistry({
    tokenAuth: {
      realm: `${realm.origin}/auth`,
      service,
      issuer,
      rootCertificatePem: tokenIssuer.certificate.toString('pem'),
    },
  });
});

afterAll(async () => {
  await registry?.stop();
  await realm?.[Symbol.asyncDispose]();
});

test('docker-registry takes what is pushed and read with tokens of the realm, one for each scope', async () => {
  await using client = clientFor(registry.host, { realms: [`${realm.origin}/auth`], login: credentials });
  const before = realm.received.length;
  for (const text of ['one', 'two']) {
    const bytes = Buffer.from(text);
    const digest: Digest = digestOf(bytes);
    await client.uploadBlob(writable, bytes, digest);
    expect(Buffer.from(await client.getBlob(writable, { digest, size: 3 }, 10))).toEqual(bytes);
  }
  expect(await Array.fromAsync(client.listRepositories())).toContain(writable);
  expect(realm.received.length - before).toBe(3);
});

test('a repository that the realm grants nothing for is denied', async () => {
  await using client = clientFor(registry.host, { realms: [`${realm.origin}/auth`], login: credentials });
  await expect(client.getManifest(uniqueRepository(), 'v1')).rejects.toMatchObject({ code: 'registry-denied' });
});

test('a password that the realm refuses is a refused login', async () => {
  const login = { username: 'robot', password: 'wrong' };
  await using client = clientFor(registry.host, { realms: [`${realm.origin}/auth`], login });
  await expect(client.getManifest(writable, 'v1')).rejects.toMatchObject({ code: 'registry-login-refused' });
});

test('a realm that is not configured gets nothing', async () => {
  await using client = clientFor(registry.host, { login: credentials });
  const before = realm.received.length;
  await expect(client.getManifest(writable, 'v1')).rejects.toThrow('registries[].realms');
  expect(realm.received).toHaveLength(before);
});

interface Issuer {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

/** distribution 2.8 takes RS256 only. */
async function createIssuer(): Promise<Issuer> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notBefore = new Date(Date.now() - 60_000);
  const notAfter = new Date(Date.now() + 3_600_000);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { name: `CN=${issuer}`, keys, signingAlgorithm: algorithm, notBefore, notAfter },
    webcrypto,
  );
  return { key: KeyObject.from(keys.privateKey), certificate };
}

/** A JSON web token as the "Token Authentication Implementation" of distribution describes it. */
function tokenFor(access: readonly object[], { key, certificate }: Issuer): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const header = { typ: 'JWT', alg: 'RS256', x5c: [Buffer.from(certificate.rawData).toString('base64')] };
  const claims = {
    iss: issuer,
    sub: '',
    aud: service,
    exp: now + 300,
    nbf: now - 10,
    iat: now,
    jti: randomUUID(),
    access,
  };
  const content = `${encode(header)}.${encode(claims)}`;
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`;
}
