import type { KeyObject, X509Certificate } from 'node:crypto';
import type { KeySpec } from '../domain/algorithm.ts';
import { AutosignError } from '../domain/errors.ts';
import { keySpecOf } from '../keys/key-spec.ts';
import { checkAuthorityProfile, checkHash, checkLeafProfile } from './certificate-profile.ts';
import { readCertificates } from './read-certificates.ts';

export interface SigningChain {
  /** DER, leaf first, root last. */
  readonly chain: readonly Uint8Array[];
  /** The time in which all certificates of the chain are valid. */
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface ReadChainOptions {
  /** PEM, leaf first, root last. */
  readonly chainPem: string;
  /** The key that the leaf must be for. */
  readonly publicKey: KeyObject;
  /** What the rules say the key is. */
  readonly spec: KeySpec;
}

/**
 * Like `readSigningChain`, and all certificates must be valid at `now`: without a timestamp a verifier refuses what a
 * chain signed as soon as one of its certificates is over.
 * @throws AutosignError `certificate-invalid` with the reason
 */
export function checkSigningChain({ now, ...options }: ReadChainOptions & { readonly now: Date }): SigningChain {
  const chain = readSigningChain(options);
  if (now < chain.notBefore) throw invalid(`it is not valid before ${chain.notBefore.toISOString()}`);
  if (now > chain.notAfter) throw invalid(`it ended on ${chain.notAfter.toISOString()}: issue or configure a new one`);
  return chain;
}

/**
 * Reads a chain and checks every rule of the Notary Project that does not depend on the time
 * (signature-specification.md, "Certificate Requirements"; notation-core-go, x509/codesigning_cert_validations.go).
 * @throws AutosignError `certificate-invalid` with the reason
 */
export function readSigningChain({ chainPem, publicKey, spec }: ReadChainOptions): SigningChain {
  const certificates = readCertificates(chainPem);
  const [leaf] = certificates;
  if (leaf === undefined) throw invalid('the file holds no certificate in PEM');
  if (spec === 'RSA_3072') {
    throw invalid(
      'the Notary Project demands SHA-384 for RSA keys of 3072 bits, and KMS signs SHA-256 only: use RSA_2048 or EC_P256',
    );
  }
  if (keySpecOf(leaf.publicKey) !== spec) throw invalid(`the first certificate's key is not of the spec ${spec}`);
  if (!leaf.publicKey.equals(publicKey))
    throw invalid('the first certificate is for another key: issue one for this key');
  checkLeafProfile(leaf);
  for (const certificate of certificates) checkHash(certificate);
  checkIssuers(certificates);
  return {
    chain: certificates.map((certificate) => new Uint8Array(certificate.raw)),
    notBefore: new Date(Math.max(...certificates.map((certificate) => certificate.validFromDate.getTime()))),
    notAfter: new Date(Math.min(...certificates.map((certificate) => certificate.validToDate.getTime()))),
  };
}

/** Each certificate is issued by the next one; the last, and no other, by itself. */
function checkIssuers(certificates: readonly X509Certificate[]): void {
  certificates.forEach((certificate, index) => {
    const issuer = certificates[index + 1];
    const where = `certificate ${index + 1} of ${certificates.length}`;
    if (index > 0) checkAuthorityProfile(certificate, index - 1);
    if (issuer === undefined) {
      if (!isIssuedBy(certificate, certificate)) {
        throw invalid(`${where} is not self-signed: the chain must go up to and include its root`);
      }
      return;
    }
    if (isIssuedBy(certificate, certificate)) throw invalid(`${where} is self-signed, but only the last one may be`);
    if (!isIssuedBy(certificate, issuer)) {
      throw invalid(`${where} is not issued by the next one: order the chain leaf first, root last`);
    }
  });
}

/** By name and by signature. Not by OpenSSL's checkIssued, which also looks at key usage: a self-signed leaf has none for that. */
function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey);
}

function invalid(reason: string): AutosignError {
  return new AutosignError('certificate-invalid', `the certificate chain cannot sign: ${reason}`);
}
