import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { specOfCertificate } from '../../../src/formats/certificate-spec.ts';
import { signingCertificate, signingKey } from '../../support/signing-keys.ts';

async function certificateOf(spec: 'RSA_2048' | 'EC_P256'): Promise<Uint8Array> {
  return new X509Certificate(await signingCertificate(signingKey(spec))).raw;
}

test.each(['RSA_2048', 'EC_P256'] as const)('tells %s the first time and every time', async (spec) => {
  const certificate = await certificateOf(spec);
  expect(specOfCertificate(certificate)).toBe(spec);
  expect(specOfCertificate(Uint8Array.from(certificate))).toBe(spec);
});

test('takes no certificate for another one that it knows, though they differ in one byte', async () => {
  const certificate = await certificateOf('EC_P256');
  expect(specOfCertificate(certificate)).toBe('EC_P256');
  const broken = Uint8Array.from(certificate);
  broken[0] = 0;
  expect(() => specOfCertificate(broken)).toThrow();
  expect(() => specOfCertificate(broken)).toThrow();
});
