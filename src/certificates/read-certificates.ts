import { X509Certificate } from 'node:crypto';
import { AutosignError } from '../domain/errors.ts';

/** A chain of leaf, a few intermediates and root needs far less; more is a wrong file. */
const chainLengthMax = 10;
const chainPemLengthMax = 256 * 1024;

const pemBlockPattern = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/**
 * The certificates of a PEM file in its order. Text around the blocks is passed over, as all readers do (RFC 7468).
 * @throws AutosignError `certificate-invalid` for a block that is no certificate, above all a private key, and for too many
 */
export function readCertificates(pem: string): readonly X509Certificate[] {
  if (pem.length > chainPemLengthMax) throw invalid(`it is longer than ${chainPemLengthMax} characters`);
  const certificates: X509Certificate[] = [];
  for (const [, label = '', body = ''] of pem.matchAll(pemBlockPattern)) {
    if (label !== 'CERTIFICATE') {
      throw invalid(`it holds a ${label}: keep certificates only in this file, leaf first, root last`);
    }
    certificates.push(readCertificate(body, certificates.length + 1));
    if (certificates.length > chainLengthMax) throw invalid(`it holds more than ${chainLengthMax} certificates`);
  }
  return certificates;
}

function readCertificate(body: string, position: number): X509Certificate {
  const der = Buffer.from(body, 'base64');
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
    // Node decodes the key when it is asked for; a curve that it does not know fails here, with a name for the place.
    void certificate.publicKey;
  } catch (cause) {
    throw new AutosignError('certificate-invalid', `certificate ${position} of the chain file is malformed`, { cause });
  }
  if (!certificate.raw.equals(der)) throw invalid(`bytes follow certificate ${position} inside its block`);
  return certificate;
}

function invalid(reason: string): AutosignError {
  return new AutosignError('certificate-invalid', `the certificate chain file is not usable: ${reason}`);
}
