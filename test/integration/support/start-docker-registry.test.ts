import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pushImage } from '../../../infra/images/push-image.ts';
import { type RunningRegistry, startDockerRegistry } from '../../../infra/processes/start-docker-registry.ts';
import { uniqueRepository } from '../../support/names.ts';

const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
const auth = { realm: 'http://127.0.0.1:1/token', service: 'registry.test', issuer: 'issuer.test' };

describe('a registry with token login', () => {
  let registry: RunningRegistry;
  let keys: webcrypto.CryptoKeyPair;
  beforeAll(async () => {
    keys = await webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
    const root = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=issuer.test',
      signingAlgorithm: rsa,
      keys,
    });
    registry = await startDockerRegistry({ tokenAuth: { ...auth, rootCertificatePem: root.toString('pem') } });
  });
  afterAll(async () => {
    await registry.stop();
  });

  test('sends a stranger to the realm', async () => {
    const response = await fetch(`http://${registry.host}/v2/`);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe(`Bearer realm="${auth.realm}",service="${auth.service}"`);
  });

  test('takes a push with a token of the issuer', async () => {
    const repository = uniqueRepository();
    const authorization = `Bearer ${await token(keys, repository)}`;
    const image = await pushImage({ host: registry.host, repository, tag: 'v1', kind: 'oci-index', authorization });
    expect(image.children).toHaveLength(2);
  });

  test('refuses a token for another repository', async () => {
    const authorization = `Bearer ${await token(keys, uniqueRepository())}`;
    const options = { host: registry.host, repository: uniqueRepository(), tag: 'v1', authorization };
    await expect(pushImage({ ...options, kind: 'oci-manifest' })).rejects.toThrow('answered 401');
  });

  test('refuses a token of another key', async () => {
    const others = await webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
    const repository = uniqueRepository();
    const authorization = `Bearer ${await token(others, repository)}`;
    const options = { host: registry.host, repository, tag: 'v1', authorization };
    await expect(pushImage({ ...options, kind: 'oci-manifest' })).rejects.toThrow('answered 401');
  });
});

test('allows deleting, and is gone after its stop', async () => {
  const registry = await startDockerRegistry();
  const repository = uniqueRepository();
  const { digest } = await pushImage({ host: registry.host, repository, tag: 'v1', kind: 'oci-manifest' });
  const url = `http://${registry.host}/v2/${repository}/manifests/${digest}`;
  expect((await fetch(url, { method: 'DELETE' })).status).toBe(202);
  expect((await fetch(url)).status).toBe(404);
  await registry.stop();
  await expect(fetch(url)).rejects.toThrow('fetch failed');
});

test('fails with the reason when the port it was given is taken', async () => {
  const registry = await startDockerRegistry();
  const port = Number(registry.host.split(':')[1]);
  await expect(startDockerRegistry({ port })).rejects.toThrow('address already in use');
  await registry.stop();
});

/** A registry token (distribution, "Token Authentication Implementation"): RS256, the key named as libtrust does. */
async function token(keys: webcrypto.CryptoKeyPair, repository: string): Promise<string> {
  const spki = Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  const header = { typ: 'JWT', alg: 'RS256', kid: libtrustId(spki) };
  const now = Math.floor(Date.now() / 1000);
  const access = [{ type: 'repository', name: repository, actions: ['pull', 'push'] }];
  const claims = { iss: auth.issuer, aud: auth.service, sub: 'test', nbf: now - 5, exp: now + 300, access };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = await webcrypto.subtle.sign(rsa, keys.privateKey, Buffer.from(signed));
  return `${signed}.${Buffer.from(signature).toString('base64url')}`;
}

// The first 30 bytes of the key's SHA-256 in base32, in groups of four.
function libtrustId(spki: Uint8Array): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bytes = createHash('sha256').update(spki).digest().subarray(0, 30);
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const base32 = (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('');
  return (base32.match(/.{4}/g) ?? []).join(':');
}
