import type { SigningAlgorithm } from '../domain/algorithm.ts';

/** What a signer answers. */
export interface SignAnswer {
  /** RSA: the raw signature (PSS with a salt of 32 bytes). ECDSA: ASN.1 DER, as KMS gives it. */
  readonly signature: Uint8Array;
  /** The request id of the key service, for the audit file; absent for local keys. */
  readonly requestId?: string | undefined;
}

/** One pinned key version that signs digests. */
export interface Signer {
  /**
   * @param digest the raw SHA-256 of what is signed, 32 bytes
   * @throws AutosignError `key-unusable`, `kms-throttled`, `kms-unreachable`, `role-refused`, `credentials-missing`
   */
  sign(algorithm: SigningAlgorithm, digest: Uint8Array): Promise<SignAnswer>;
}
