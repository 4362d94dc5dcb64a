import { afterEach, describe, expect, test } from 'vitest';
import { createCertificateFetch } from '../../../src/receiver/fetch-certificate.ts';
import { type CertificateHost, startCertificateHost } from '../../support/certificate-host.ts';

const host = 'cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com';
const url = new URL(`https://${host}/x509_public_certificate_1.pem`);
const limits = { bytesMax: 1_000, fetchTimeoutMs: 300 };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(answer: CertificateHost['answer'], name = host) {
  const certificates = await startCertificateHost(name, answer);
  cleanups.push(() => certificates.close());
  const fetchFrom = (agent: CertificateHost['agent']) =>
    createCertificateFetch({ agent, userAgent: 'test/1', limits })(url);
  return { certificates, fetchCertificate: () => fetchFrom(certificates.agent), fetchFrom };
}

// The limit is 300 ms: a test that takes this long has waited for something without one.
describe('a certificate', { timeout: 15_000 }, () => {
  test('is fetched from its host, without a word about us but the name of this program', async () => {
    let headers: object = {};
    const { certificates, fetchCertificate } = await start((request, response) => {
      headers = request.headers;
      response.end('x'.repeat(1_000));
    });
    expect(await fetchCertificate()).toBe('x'.repeat(1_000));
    expect(certificates.requests).toEqual([`${host} ${url.pathname}`]);
    expect(headers).toEqual({ host, connection: 'keep-alive', 'user-agent': 'test/1' });
  });

  test.each<[string, CertificateHost['answer'], string]>([
    ['too large', (_, response) => void response.end('x'.repeat(1_001)), 'more than 1000 bytes'],
    [
      'endless',
      (_, response) => {
        const timer = setInterval(() => response.write('x'.repeat(100)), 1);
        response.on('close', () => clearInterval(timer));
      },
      'more than 1000 bytes',
    ],
    ['never there', () => undefined, 'no answer in time'],
    [
      'never complete',
      (_, response) => void response.writeHead(200, { 'content-length': '10' }).write('x'),
      'no answer in time',
    ],
    [
      'cut off',
      (_, response) => void response.writeHead(200, { 'content-length': '10' }).write('x', () => response.destroy()),
      '',
    ],
    ['not there', (_, response) => void response.writeHead(404).end('x'), 'answered 404'],
    ['elsewhere', (_, response) => void response.writeHead(302, { location: url.href }).end(), 'answered 302'],
    ['refused', (_, response) => void response.writeHead(403).end('y'.repeat(5_000)), 'answered 403'],
  ])('that is %s is none', async (_what, answer, message) => {
    const { certificates, fetchCertificate } = await start(answer);
    await expect(fetchCertificate()).rejects.toThrow(message);
    expect(certificates.requests).toHaveLength(1);
  });

  test('is not asked for from a host whose TLS certificate nobody trusts, or that is of another name', async () => {
    const stranger = await start((_, response) => void response.end('x'));
    await expect(stranger.fetchFrom(stranger.certificates.strictAgent)).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    expect(stranger.certificates.requests).toEqual([]);
    const other = await start((_, response) => void response.end('x'), 'x.oss-cn-hangzhou.aliyuncs.com');
    await expect(other.fetchCertificate()).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(other.certificates.requests).toEqual([]);
  });
});
