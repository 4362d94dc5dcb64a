import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { createRegistryClient } from '../../../src/registry/registry-client.ts';
import { clientFor, credentials } from './client-for.ts';
import { type Script, startScriptedServer } from './scripted-server.ts';
import { selfSigned } from './self-signed.ts';

const limits = {
  connectTimeoutMs: 500,
  headersTimeoutMs: 300,
  bodyTimeoutMs: 300,
  requestTimeoutMs: 2_000,
  tryAgainAfterMs: 1,
};

test.each<[string, Script, string]>([
  ['closes without an answer', (_, response) => void response.destroy(), 'registry-unreachable'],
  [
    'cuts its answer off',
    (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('x', () => response.destroy()),
    'registry-unreachable',
  ],
  ['never answers', () => undefined, 'registry-unreachable'],
  [
    'stops in the middle',
    (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('x'),
    'registry-unreachable',
  ],
  ['answers 500', () => ({ status: 500 }), 'registry-unreachable'],
  ['answers 503', () => ({ status: 503 }), 'registry-unreachable'],
  ['answers 429', () => ({ status: 429 }), 'registry-throttled'],
])('a registry that %s is asked three times, then fails with a message that says where', async (_, script, code) => {
  await using registry = await startScriptedServer(script);
  await using client = clientFor(registry.host, { limits });
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({
    code,
    message: expect.stringContaining(`GET ${registry.host}/team/app:v1`),
  });
  expect(registry.received).toHaveLength(3);
});

test.each([
  [429, 'registry-throttled'],
  [503, 'registry-unreachable'],
])('passes on how long to wait after a %i, up to the limit', async (status, code) => {
  let wait = '7';
  await using registry = await startScriptedServer(() => ({ status, headers: { 'retry-after': wait } }));
  await using client = clientFor(registry.host);
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code, retryAfterMs: 7_000 });
  expect(registry.received).toHaveLength(1);
  wait = '999999';
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code, retryAfterMs: 600_000 });
});

test('ends a request that drips for ever', async () => {
  const drips: NodeJS.Timeout[] = [];
  await using registry = await startScriptedServer((_, response) => {
    response.writeHead(200);
    drips.push(setInterval(() => response.write(' '), 50));
    return undefined;
  });
  await using client = clientFor(registry.host, { limits: { ...limits, requestTimeoutMs: 600, triesMax: 1 } });
  try {
    await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-unreachable' });
  } finally {
    drips.forEach(clearInterval);
  }
});

test('stops reading an answer that is larger than the limit', async () => {
  await using registry = await startScriptedServer((_, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on('drain', more);
    more();
    return undefined;
  });
  await using client = clientFor(registry.host);
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'too-large' });
});

test('a registry that speaks no HTTP is a broken protocol', async () => {
  const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using client = clientFor(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'registry-protocol' });
  server.close();
});

test('a registry that is not there is unreachable', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await using client = clientFor(`127.0.0.1:${port}`);
  await expect(client.getManifest('team/app', 'v1')).rejects.toThrow(/no answer \(ECONNREFUSED\)/);
});

test('sends nothing over TLS to a certificate that nobody vouches for, whatever the environment says', async () => {
  const requests: string[] = [];
  const server = createTlsServer(await selfSigned(), ({ url }, response) => {
    requests.push(url ?? '');
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = createRegistryClient({
    registry: { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, plainHttp: false, realms: [] },
    login: { credentials: async () => credentials },
    userAgent: 'acr-autosign/test',
  });
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    await expect(client.getManifest('team/app', 'v1')).rejects.toThrow(/DEPTH_ZERO_SELF_SIGNED_CERT/);
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    await client.close();
    server.close();
  }
  expect(requests).toEqual([]);
});
