import type { Format } from '../domain/algorithm.ts';
import type { Signer } from '../ports/signer.ts';
import type { Key } from '../rules/rule-set.ts';
import type { KeyTrust } from '../verification/trust.ts';

/** A key that may sign in some format: its pinned public key, its certificate, and what else still counts as its signature. */
export interface SigningKey {
  readonly key: Key;
  readonly signer: Signer;
  /** Lower-case hex SHA-256 of the SPKI DER. */
  readonly publicKeySha256: string;
  /** DER, leaf first; empty for formats without certificates. */
  readonly certificateChain: readonly Uint8Array[];
  /** Lower-case hex SHA-256 of the leaf's DER; undefined for formats without certificates. */
  readonly certificateSha256: string | undefined;
  /** The current version first, then the trusted earlier ones. */
  readonly trust: KeyTrust;
}

/** A key of the rules file as it stands now. */
export type KeyState =
  | { readonly state: 'ready'; readonly signingKey: SigningKey }
  /** It waits, with all that needs it, until what `reason` names is mended. */
  | {
      readonly state: 'paused';
      readonly reason: string;
      /** When its certificate ends or ended, if it could be read. */
      readonly notAfter?: Date | undefined;
    };

/** The keys of one state of the rules. */
export interface KeyRing {
  /**
   * The key as it stands for one format: one that has no certificate, or an old one, still signs in formats without
   * any. Without `format`: paused when it is for any format that the rules demand of it.
   */
  get(name: string, format?: Format): KeyState;
}
