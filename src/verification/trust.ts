import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { readSigningChain } from '../certificates/check-chain.ts';
import type { KeySpec } from '../domain/algorithm.ts';
import { AutosignError } from '../domain/errors.ts';
import { keySpecOf, publicKeySha256 } from '../keys/key-spec.ts';

/** One version of a key, for formats that carry certificates with one chain: what a signature is held against. */
export interface TrustedVersion {
  readonly publicKey: KeyObject;
  /** Lower-case hex SHA-256 of the SPKI in DER. */
  readonly publicKeySha256: string;
  /** The key service's name of the version; undefined for local keys. */
  readonly keyVersionId: string | undefined;
  /** DER, leaf first, root last; empty where the public key alone tells whose a signature is. */
  readonly chain: readonly Uint8Array[];
  /** The time in which all certificates of the chain are valid; undefined without any. */
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
}

/** Whose signatures count for one key of the rules. */
export interface KeyTrust {
  readonly keyName: string;
  /** The current version first; then the earlier ones that still count. */
  readonly versions: readonly [TrustedVersion, ...TrustedVersion[]];
}

export interface TrustedKeyOptions {
  /** PEM, SPKI. */
  readonly publicKeyPem: string;
  readonly spec: KeySpec;
  readonly keyVersionId: string | undefined;
}

export interface TrustedVersionOptions extends TrustedKeyOptions {
  /** PEM, leaf first, root last. */
  readonly chainPem: string;
}

/**
 * Reads one version for formats without certificates.
 * @throws AutosignError `key-unusable` for what is no public key, or not of `spec`
 */
export function readTrustedKey({ publicKeyPem, spec, keyVersionId }: TrustedKeyOptions): TrustedVersion {
  const publicKey = readPublicKey(publicKeyPem);
  const found = keySpecOf(publicKey);
  if (found !== spec) {
    throw new AutosignError(
      'key-unusable',
      `the public key is of ${found ?? 'no supported spec'}, the rules say ${spec}`,
    );
  }
  return {
    publicKey,
    publicKeySha256: publicKeySha256(publicKey),
    keyVersionId,
    chain: [],
    notBefore: undefined,
    notAfter: undefined,
  };
}

/**
 * Reads one version with its certificates. These may be over: an earlier version stays listed, its signatures just do not count.
 * @throws AutosignError `key-unusable` for what is no public key, `certificate-invalid` for a chain that is not this key's or that
 *   a Notary Project verifier would refuse at any time
 */
export function readTrustedVersion(options: TrustedVersionOptions): TrustedVersion {
  const publicKey = readPublicKey(options.publicKeyPem);
  const { chain, notBefore, notAfter } = readSigningChain({
    chainPem: options.chainPem,
    publicKey,
    spec: options.spec,
  });
  return {
    publicKey,
    publicKeySha256: publicKeySha256(publicKey),
    keyVersionId: options.keyVersionId,
    chain,
    notBefore,
    notAfter,
  };
}

function readPublicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new AutosignError('key-unusable', 'the public key file holds no public key in PEM', { cause });
  }
}
