// The container inside @peculiar/x509 needs the reflection API to exist before it is loaded.
import 'reflect-metadata';
import type { X509Certificate as NodeCertificate } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate,
} from '@peculiar/x509';
import { AutosignError } from '../domain/errors.ts';

/** The specification allows digitalSignature; notation lets contentCommitment (nonRepudiation) pass beside it. */
const leafKeyUsagesAllowed = KeyUsageFlags.digitalSignature | KeyUsageFlags.nonRepudiation;

const extendedKeyUsagesForbidden = new Map([
  ['2.5.29.37.0', 'anyExtendedKeyUsage'],
  ['1.3.6.1.5.5.7.3.1', 'serverAuth'],
  ['1.3.6.1.5.5.7.3.2', 'clientAuth'],
  ['1.3.6.1.5.5.7.3.4', 'emailProtection'],
  ['1.3.6.1.5.5.7.3.8', 'timeStamping'],
  ['1.3.6.1.5.5.7.3.9', 'OCSPSigning'],
]);

const hashesAllowed: readonly string[] = ['SHA-256', 'SHA-384', 'SHA-512'];

/**
 * The leaf rules of the Notary Project: signature-specification.md, "Certificate Requirements".
 * @throws AutosignError `certificate-invalid`
 */
export function checkLeafProfile(leaf: NodeCertificate): void {
  const certificate = parse(leaf);
  if (certificate.getExtension(BasicConstraintsExtension)?.ca === true) {
    throw invalid('the first certificate is a certificate authority (CA:TRUE), which signs no images');
  }
  const usage = criticalKeyUsages(certificate, 'the first certificate');
  if ((usage & KeyUsageFlags.digitalSignature) === 0) {
    throw invalid('the key usage of the first certificate lacks digitalSignature');
  }
  if ((usage & ~leafKeyUsagesAllowed) !== 0) {
    throw invalid('the key usage of the first certificate allows more than digitalSignature');
  }
  for (const identifier of certificate.getExtension(ExtendedKeyUsageExtension)?.usages ?? []) {
    const name = extendedKeyUsagesForbidden.get(String(identifier));
    if (name !== undefined) throw invalid(`the extended key usage of the first certificate contains ${name}`);
  }
}

/**
 * The rules for the certificates above the leaf; `intermediatesBelow` is how many authorities stand between this one and the leaf.
 * @throws AutosignError `certificate-invalid`
 */
export function checkAuthorityProfile(authority: NodeCertificate, intermediatesBelow: number): void {
  const certificate = parse(authority);
  const where = `certificate ${intermediatesBelow + 2}`;
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  if (constraints === null || !constraints.ca || !constraints.critical) {
    throw invalid(`${where} issued another one, but has no critical CA:TRUE`);
  }
  if (constraints.pathLength !== undefined && constraints.pathLength < intermediatesBelow) {
    throw invalid(`${where} allows only ${constraints.pathLength} authorities below itself`);
  }
  if ((criticalKeyUsages(certificate, where) & KeyUsageFlags.keyCertSign) === 0) {
    throw invalid(`the key usage of ${where} lacks keyCertSign`);
  }
}

/**
 * Refuses a certificate that is signed over a weak hash.
 * @throws AutosignError `certificate-invalid`
 */
export function checkHash(certificate: NodeCertificate): void {
  const hash: unknown = parse(certificate).signatureAlgorithm.hash;
  const name = typeof hash === 'object' && hash !== null && 'name' in hash ? String(hash.name) : 'an unknown hash';
  if (!hashesAllowed.includes(name)) {
    throw invalid(`a certificate is signed over ${name}; use SHA-256, SHA-384 or SHA-512`);
  }
}

function criticalKeyUsages(certificate: X509Certificate, where: string): number {
  const extension = certificate.getExtension(KeyUsagesExtension);
  if (extension === null) throw invalid(`${where} has no key usage`);
  if (!extension.critical) throw invalid(`the key usage of ${where} is not critical`);
  return extension.usages;
}

function parse(certificate: NodeCertificate): X509Certificate {
  try {
    return new X509Certificate(new Uint8Array(certificate.raw));
  } catch (cause) {
    throw new AutosignError('certificate-invalid', 'a certificate of the chain is malformed', { cause });
  }
}

function invalid(reason: string): AutosignError {
  return new AutosignError('certificate-invalid', `the certificate chain cannot sign: ${reason}`);
}
