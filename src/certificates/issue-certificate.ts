// The container inside @peculiar/x509 needs the reflection API to exist before it is loaded.
import 'reflect-metadata';
import { createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { SigningAlgorithm } from '../domain/algorithm.ts';
import { AutosignError } from '../domain/errors.ts';
import { ecdsaDerToRaw } from '../keys/ecdsa-signature.ts';
import { canSign, keySpecOf } from '../keys/key-spec.ts';
import type { Signer } from '../ports/signer.ts';
import { checkSigningChain } from './check-chain.ts';

/** The parts of a subject that a trust policy's `x509.subject` identity needs (trust-store-trust-policy.md, "Trusted Identities Constraints"), and a name. */
interface CertificateSubject {
  readonly commonName: string;
  readonly organization: string;
  readonly stateOrProvince: string;
  /** Two capital letters (ISO 3166-1). */
  readonly country: string;
}

export interface IssueCertificateOptions {
  readonly signer: Signer;
  readonly algorithm: SigningAlgorithm;
  /** PEM, SPKI: the signer's public key. */
  readonly publicKeyPem: string;
  readonly subject: CertificateSubject;
  /** Kept to the second, as X.509 writes times. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Hex; random by default. */
  readonly serialNumber?: string | undefined;
}

const idCodeSigning = '1.3.6.1.5.5.7.3.3';
/** RFC 5280, section 4.1.2.2: at most 20 bytes, and not guessable. */
const serialNumberBytes = 16;
/** Upper bounds of RFC 5280, appendix A.1. */
const subjectLengthMax = { commonName: 64, organization: 64, stateOrProvince: 128 } as const;

const webAlgorithms = {
  RSA_PSS_SHA_256: { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 },
  RSA_PKCS1_SHA_256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ECDSA_SHA_256: { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' },
} as const satisfies Record<SigningAlgorithm, object>;

/**
 * Makes a code-signing certificate for a key, signed by that key, by the leaf rules of the Notary Project (signature-specification.md,
 * "Certificate Requirements"): no certificate authority, key usage critical and digitalSignature alone, extended key
 * usage code signing alone.
 * @returns PEM of the one certificate, which is leaf and root of its chain
 * @throws AutosignError `usage` for a subject or times that cannot be; `key-unusable` for a key that cannot sign so; `certificate-invalid`
 *   when the answer of the signer is not a signature by the public key; what the signer throws
 */
export async function issueSelfSignedCertificate(options: IssueCertificateOptions): Promise<string> {
  checkSubject(options.subject);
  if (options.notAfter <= options.notBefore)
    throw new AutosignError('usage', 'the certificate would end before it begins');
  const publicKey = createPublicKey(options.publicKeyPem);
  const spec = keySpecOf(publicKey);
  if (spec === undefined || !canSign(spec, options.algorithm)) {
    throw new AutosignError('key-unusable', `a key of spec ${spec ?? 'unknown'} cannot sign with ${options.algorithm}`);
  }
  const name = distinguishedName(options.subject);
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: options.serialNumber ?? randomSerialNumber(),
      subject: name,
      issuer: name,
      notBefore: options.notBefore,
      notAfter: options.notAfter,
      publicKey: spkiOf(publicKey),
      signingKey: remoteKey(options.algorithm),
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([idCodeSigning]),
        await SubjectKeyIdentifierExtension.create(spkiOf(publicKey)),
      ],
    },
    remoteCrypto(options.signer, options.algorithm),
  );
  const chainPem = `${certificate.toString('pem')}\n`;
  // What a verifier would refuse must not leave here, whatever the signer answered.
  checkSigningChain({ chainPem, publicKey, spec, now: options.notBefore });
  return chainPem;
}

function checkSubject(subject: CertificateSubject): void {
  if (!/^[A-Z]{2}$/.test(subject.country)) {
    throw new AutosignError('usage', `the country "${subject.country}" is not two capital letters such as CN`);
  }
  for (const [part, lengthMax] of Object.entries(subjectLengthMax)) {
    const value = subject[part as keyof typeof subjectLengthMax];
    // A control character would be written into every trust policy that names this subject.
    if (value.trim() === '' || value.length > lengthMax || /\p{Cc}/u.test(value)) {
      throw new AutosignError('usage', `the ${part} of a certificate takes 1 to ${lengthMax} printable characters`);
    }
  }
}

/** With explicit string types: the library reads quotes and escapes in plain strings, and a country must be printable (RFC 5280, appendix A.1). */
function distinguishedName(subject: CertificateSubject): Name {
  return new Name([
    { C: [{ printableString: subject.country }] },
    { ST: [{ utf8String: subject.stateOrProvince }] },
    { O: [{ utf8String: subject.organization }] },
    { CN: [{ utf8String: subject.commonName }] },
  ]);
}

function randomSerialNumber(): string {
  const bytes = randomBytes(serialNumberBytes);
  // Positive and never empty, whatever was drawn.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function spkiOf(publicKey: KeyObject): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }));
}

/** Stands for a private key that is elsewhere; only its algorithm is ever looked at. */
function remoteKey(algorithm: SigningAlgorithm): webcrypto.CryptoKey {
  return { type: 'private', extractable: false, usages: ['sign'], algorithm: webAlgorithms[algorithm] };
}

/** A WebCrypto whose one private key is the signer's. */
function remoteCrypto(signer: Signer, algorithm: SigningAlgorithm): webcrypto.Crypto {
  const sign = async (_algorithm: unknown, _key: unknown, data: ArrayBuffer): Promise<ArrayBuffer> => {
    const { signature } = await signer.sign(algorithm, new Uint8Array(data));
    // WebCrypto gives ECDSA signatures as r||s; the library makes DER of them again.
    return Uint8Array.from(algorithm === 'ECDSA_SHA_256' ? ecdsaDerToRaw(signature) : signature).buffer;
  };
  return Object.create(webcrypto, { subtle: { value: { sign } } });
}
