import { describe, expect, test } from 'vitest';
import { readCertificateUrl } from '../../../src/receiver/certificate-url.ts';
import { hostileCertificateUrls } from '../../support/hostile-certificate-urls.ts';

const host = 'https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com';

describe('the URL of a certificate', () => {
  test.each([
    '/x509_public_certificate_2021012501.pem',
    '/x.pem',
    '/2026/certificates/x509-public.v2.pem',
    `/${'a'.repeat(190)}.pem`,
  ])('%s on the host of the region is taken', (path) => {
    expect(readCertificateUrl(`${host}${path}`, 'cn-hangzhou')?.href).toBe(`${host}${path}`);
  });

  test('is that of the configured region alone', () => {
    const url = `${host}/x.pem`;
    for (const region of ['cn-beijing', 'cn-hangzhou-finance', 'cn', 'hangzhou']) {
      expect(readCertificateUrl(url, region)).toBeUndefined();
      expect(readCertificateUrl(url.replace('cn-hangzhou', region), region)).toBeDefined();
    }
  });

  test('is refused when it is one of some hundred that are not on that host, or look as if', () => {
    expect(hostileCertificateUrls.length).toBeGreaterThan(400);
    const taken = hostileCertificateUrls.filter((url) => readCertificateUrl(url, 'cn-hangzhou') !== undefined);
    expect(taken).toEqual([]);
  });
});
