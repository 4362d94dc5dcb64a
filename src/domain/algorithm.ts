/** Key specifications of Alibaba Cloud KMS that we know (KMS API, CreateKey, KeySpec). */
export type KeySpec = 'RSA_2048' | 'RSA_3072' | 'EC_P256';

/** Algorithms of KMS AsymmetricSign; all of them take a SHA-256 digest. */
export type SigningAlgorithm = 'RSA_PSS_SHA_256' | 'RSA_PKCS1_SHA_256' | 'ECDSA_SHA_256';

/** What a signature binds: `default` the digest with repository and tag, `minimal` the digest alone. */
export type Mode = 'default' | 'minimal';

export type Format = 'notation' | 'cosign' | 'attestation';

/** Whether signatures of this format carry the key's certificate; the others are held against its public key alone. */
export function hasCertificate(format: Format): boolean {
  switch (format) {
    case 'notation':
      return true;
    case 'cosign':
    case 'attestation':
      return false;
  }
}
