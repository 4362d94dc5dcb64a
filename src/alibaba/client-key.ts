import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { z } from 'zod';
import { AutosignError } from '../domain/errors.ts';
import type { RequestSigningKey } from './kms-instance-signature.ts';

/** What calls to a KMS instance are signed with: issued for an application access point, for years. */
export interface ClientKey extends RequestSigningKey {
  /** When it ends; undefined when nobody said, as for a bare private key. */
  readonly notAfter: Date | undefined;
}

/** It becomes a header. Alibaba's begin with "KAAP.". */
const idPattern = /^[\w.-]{1,128}$/;
/** A PKCS#12 of one RSA key and its certificate has less than 4 KiB. */
const pkcs12Base64Max = 65_536;

const ClientKeyFile = z.object({
  KeyId: z.string().regex(idPattern),
  PrivateKeyData: z.base64().min(1).max(pkcs12Base64Max),
});

/**
 * Reads the file that the KMS console gives when a ClientKey is made: JSON with its id and a PKCS#12 in base64, opened
 * by its password. Node's own crypto does not read PKCS#12, and its TLS not the RC2-40 that such files may be
 * encrypted with.
 * @throws AutosignError `key-unusable`; the message holds nothing of file and password
 */
export function readClientKeyFile(text: string, password: string): ClientKey {
  const { KeyId: id, PrivateKeyData } = parseFile(text);
  const { privateKeyPem, certificatePems } = openPkcs12(PrivateKeyData, password);
  const privateKey = readPrivateKey(privateKeyPem);
  const certificate = certificatePems
    .map((pem) => new X509Certificate(pem))
    .find((candidate) => candidate.checkPrivateKey(privateKey));
  return { id, privateKey, notAfter: certificate?.validToDate };
}

/**
 * A ClientKey from its id and its private key in PEM (PKCS#8 or PKCS#1, unencrypted); nothing tells when it ends.
 * @throws AutosignError `key-unusable`
 */
export function clientKeyOf(id: string, privateKeyPem: string): ClientKey {
  return { id, privateKey: readPrivateKey(privateKeyPem), notAfter: undefined };
}

function parseFile(text: string): z.infer<typeof ClientKeyFile> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unusable('is not JSON; take the file as the KMS console gave it');
  }
  const file = ClientKeyFile.safeParse(value);
  if (file.success) return file.data;
  const fields = file.error.issues.map((issue) => issue.path.join('.') || 'the whole').join(', ');
  throw unusable(`is not a ClientKey (${fields}): expected are KeyId and PrivateKeyData, a PKCS#12 in base64`);
}

interface OpenedPkcs12 {
  readonly privateKeyPem: string;
  readonly certificatePems: readonly string[];
}

function openPkcs12(base64: string, password: string): OpenedPkcs12 {
  let container: forge.pkcs12.Pkcs12Pfx;
  try {
    const der = forge.asn1.fromDer(forge.util.decode64(base64));
    container = forge.pkcs12.pkcs12FromAsn1(der, password);
  } catch (error) {
    // The library's own text is not kept: what it quotes of the file is not ours to check.
    const isPassword = error instanceof Error && /password|MAC could not be verified/i.test(error.message);
    throw unusable(
      isPassword
        ? 'cannot be opened with this password'
        : 'holds a damaged PKCS#12, or one that is encrypted in an unknown way',
    );
  }
  const { pkcs8ShroudedKeyBag = '', keyBag = '', certBag = '' } = forge.pki.oids;
  const bagsOf = (bagType: string) => container.getBags({ bagType })[bagType] ?? [];
  const key = [...bagsOf(pkcs8ShroudedKeyBag), ...bagsOf(keyBag)].find((bag) => bag.key)?.key;
  if (!key) throw unusable('holds no RSA private key');
  const certificates = bagsOf(certBag).flatMap(({ cert }) => (cert ? [forge.pki.certificateToPem(cert)] : []));
  return { privateKeyPem: forge.pki.privateKeyToPem(key), certificatePems: certificates };
}

function readPrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // OpenSSL's own error is not kept as a cause: it says nothing more, and what it holds of the key is not ours to check.
    throw unusable('holds no unencrypted private key in PEM');
  }
  if (key.asymmetricKeyType !== 'rsa') throw unusable(`holds a key of type ${key.asymmetricKeyType}; RSA is needed`);
  return key;
}

function unusable(what: string): AutosignError {
  return new AutosignError('key-unusable', what);
}
