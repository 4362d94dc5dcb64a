import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { issueSelfSignedCertificate } from '../../../src/certificates/issue-certificate.ts';
import { AutosignError } from '../../../src/domain/errors.ts';
import { opensslVerdict, runOpenssl } from '../../support/certificate-chains.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';

const subject = { commonName: 'release', organization: 'Lab', stateOrProvince: 'Zhejiang', country: 'CN' };
const notBefore = new Date('2026-01-01T00:00:00Z');
const notAfter = new Date('2027-01-01T00:00:00Z');
const p256 = signingKey('EC_P256');
const request = {
  signer: p256.signer,
  algorithm: p256.algorithm,
  publicKeyPem: p256.publicKeyPem,
  subject,
  notBefore,
  notAfter,
};

const textOf = (pem: string) => runOpenssl(['x509', '-noout', '-text'], pem);

describe('issueSelfSignedCertificate', () => {
  it.each(['RSA_2048', 'EC_P256'] as const)('makes a %s certificate that OpenSSL accepts strictly', async (spec) => {
    const pem = await signingCertificate(signingKey(spec));
    expect(opensslVerdict(pem, pem)).toBe('OK');
  });

  it('gives the leaf its subject, times and exactly the extensions of a Notary Project leaf', async () => {
    const pem = await issueSelfSignedCertificate({ ...request, serialNumber: '0a0b0c' });
    const text = textOf(pem);
    expect(text).toMatch(/Subject: C = CN, ST = Zhejiang, O = Lab, CN = release/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/Extended Key Usage: ?\s+Code Signing\n/);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/);
    const certificate = new X509Certificate(pem);
    expect(certificate.serialNumber).toBe('0A0B0C');
    expect(certificate.validFromDate).toEqual(notBefore);
    expect(certificate.validToDate).toEqual(notAfter);
  });

  it('signs an RSA certificate with PSS and a salt of 32 bytes', async () => {
    const text = textOf(await signingCertificate(signingKey('RSA_2048')));
    expect(text).toMatch(/rsassaPss[\s\S]*Hash Algorithm: sha256[\s\S]*Salt Length: 0x20/);
  });

  it('keeps characters that have a meaning in distinguished names', async () => {
    const organization = 'Ä, "B" + C=D; 示例';
    const pem = await issueSelfSignedCertificate({ ...request, subject: { ...subject, organization } });
    const found = runOpenssl(['x509', '-noout', '-subject', '-nameopt', 'multiline,utf8,-esc_msb'], pem);
    expect(found).toContain(`= ${organization}\n`);
    expect(opensslVerdict(pem, pem)).toBe('OK');
  });

  it('draws a new positive serial number each time', async () => {
    const [first, second] = [await issueSelfSignedCertificate(request), await issueSelfSignedCertificate(request)];
    const serials = [first, second].map((pem) => new X509Certificate(pem).serialNumber);
    expect(serials[0]).not.toBe(serials[1]);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it.each([
    ['a country in small letters', { country: 'cn' }, 'country'],
    ['a country by its name', { country: 'China' }, 'country'],
    ['an empty organization', { organization: ' ' }, 'organization'],
    ['a province that is too long', { stateOrProvince: 'x'.repeat(129) }, 'stateOrProvince'],
    ['a name with a line break', { commonName: 'a\nb' }, 'commonName'],
  ])('refuses %s', async (_name, change, part) => {
    const issued = issueSelfSignedCertificate({ ...request, subject: { ...subject, ...change } });
    await expect(issued).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(part) });
  });

  it('refuses an end before the beginning', async () => {
    await expect(issueSelfSignedCertificate({ ...request, notAfter: notBefore })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  it('refuses an algorithm that is not the key’s', async () => {
    await expect(issueSelfSignedCertificate({ ...request, algorithm: 'RSA_PSS_SHA_256' })).rejects.toMatchObject({
      code: 'key-unusable',
    });
  });

  it.each(['RSA_2048', 'EC_P256'] as const)('refuses what another %s key signed', async (spec) => {
    const key = signingKey(spec);
    const signer = signingKey(spec, 'other').signer;
    const issued = issueSelfSignedCertificate({ ...request, ...key, signer });
    await expect(issued).rejects.toMatchObject({ code: 'certificate-invalid' });
  });

  it('passes on what the signer throws', async () => {
    const throttled = new AutosignError('kms-throttled', 'slow down');
    const signer = { sign: () => Promise.reject(throttled) };
    await expect(issueSelfSignedCertificate({ ...request, signer })).rejects.toBe(throttled);
  });
});
