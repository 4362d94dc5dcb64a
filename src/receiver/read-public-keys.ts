import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';

const blockPattern = /-----BEGIN (CERTIFICATE|PUBLIC KEY)-----[^-]+-----END \1-----/g;
// Certificates of EventBridge that were seen hold 1,024 bits; longer keys than the most cost time and protect nobody.
const bitsMin = 1_024;
const bitsMax = 8_192;

/**
 * The RSA keys of a PEM text in its order: of X.509 certificates, or bare ones (SPKI). When a certificate ends is not
 * looked at: what makes it EventBridge's is where it comes from.
 * @throws Error that says what is wrong with the text, without quoting it
 */
export function readPublicKeys(pem: string): readonly [KeyObject, ...KeyObject[]] {
  const [first, ...others] = [...pem.matchAll(blockPattern)].map(([block, label]) =>
    readKey(block, label === 'CERTIFICATE'),
  );
  if (first === undefined) throw new Error('there is no certificate and no public key in PEM');
  return [first, ...others];
}

function readKey(block: string, isCertificate: boolean): KeyObject {
  const key = isCertificate ? new X509Certificate(block).publicKey : createPublicKey(block);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa' || bits < bitsMin || bits > bitsMax) {
    throw new Error(`the key is not an RSA key of ${bitsMin} to ${bitsMax} bits`);
  }
  return key;
}
