import type { SigningAlgorithm } from '../domain/algorithm.ts';

/** What a signer answers. */
interface SignAnswer {
  /** RSA: the raw signature (PSS with a salt of 32 bytes). ECDSA: ASN.1 DER, as KMS gives it. */
  readonly signature: Uint8Array;
  /** The request id of the key service, for the audit file; absent for local keys. */
  readonly requestId?: string | undefined;
}

/** One pinned key version that signs messages. */
export interface Signer {
  /**
   * @param message the bytes that are signed; the signer hashes them with SHA-256
   * @throws AutosignError `key-unusable`, `kms-throttled`, `kms-unreachable`, `role-refused`, `credentials-missing`
   */
  sign(algorithm: SigningAlgorithm, message: Uint8Array): Promise<SignAnswer>;
}
