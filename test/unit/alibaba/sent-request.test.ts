import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callOpenApi } from '../../../src/alibaba/call-openapi.ts';
import { acs3Signature, parseAuthorization } from '../../emulator/acs3-signature.ts';

const timeouts = { connectTimeoutMs: 5_000, readTimeoutMs: 5_000 };
const permanent = {
  accessKeyId: 'testak',
  accessKeySecret: 'testsecret',
  securityToken: undefined,
  expiration: undefined,
};
const session = { ...permanent, accessKeyId: 'STS.testak', securityToken: 'token/+=' };
// The parameters of the known answer, of which the digest and the last one must be escaped.
const query = { Algorithm: 'RSA_PSS_SHA_256', Digest: 'ZGln+/=', KeyId: 'k', KeyVersionId: "v !*'()~é" };
const always = [
  'host',
  'x-acs-action',
  'x-acs-content-sha256',
  'x-acs-credentials-provider',
  'x-acs-date',
  'x-acs-signature-nonce',
  'x-acs-version',
];

/** What `callOpenApi` puts on the wire for AsymmetricSign. */
async function sentRequest(credentials: typeof permanent | typeof session) {
  const received: { method: string; url: URL; headers: Record<string, string>; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    received.push({
      method,
      url: new URL(url, 'http://localhost'),
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      body: await text(request),
    });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await callOpenApi({ endpoint, action: 'AsymmetricSign', version: '2016-01-20', query, credentials, timeouts });
  const [only] = received;
  if (only === undefined || received.length !== 1) throw new Error(`${received.length} requests`);
  return only;
}

/** By the computation that gives the known answer (acs3-signature.test.ts). */
function signatureOf({ method, url, headers, body }: Awaited<ReturnType<typeof sentRequest>>, secret: string) {
  const signedHeaders = parseAuthorization(headers['authorization'])?.signedHeaders ?? [];
  const bodySha256 = createHash('sha256').update(body).digest('hex');
  return acs3Signature(
    { method, path: url.pathname, query: url.searchParams, headers, signedHeaders, bodySha256 },
    secret,
  );
}

describe('what is sent to Alibaba', () => {
  it.each([
    ['a permanent key', permanent, always],
    ['a session', session, [...always, 'x-acs-accesskey-id', 'x-acs-security-token'].sort()],
  ] as const)('is signed with ACS3-HMAC-SHA256 by %s', async (_, credentials, signedHeaders) => {
    const sent = await sentRequest(credentials);
    const authorization = parseAuthorization(sent.headers['authorization']);
    expect(authorization).toEqual({
      accessKeyId: credentials.accessKeyId,
      signedHeaders,
      signature: signatureOf(sent, 'testsecret'),
    });
    expect(authorization?.signature).not.toBe(signatureOf(sent, 'testsecret2'));
  });

  it('has the parameters in the query, the call in signed headers, and no body', async () => {
    const { method, url, headers, body } = await sentRequest(permanent);
    expect([method, url.pathname, body]).toEqual(['POST', '/', '']);
    expect(Object.fromEntries(url.searchParams)).toEqual(query);
    expect(headers).toMatchObject({
      'x-acs-action': 'AsymmetricSign',
      'x-acs-version': '2016-01-20',
      'x-acs-date': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      'x-acs-content-sha256': createHash('sha256').digest('hex'),
    });
  });

  it('has a new nonce each time', async () => {
    const nonces = [await sentRequest(permanent), await sentRequest(permanent)].map(
      ({ headers }) => headers['x-acs-signature-nonce'],
    );
    expect(new Set(nonces).size).toBe(2);
  });

  it('has no key, secret or token in its URL', async () => {
    const { url } = await sentRequest(session);
    for (const secret of [session.accessKeyId, session.accessKeySecret, session.securityToken]) {
      expect(decodeURIComponent(url.href)).not.toContain(secret);
    }
  });
});
