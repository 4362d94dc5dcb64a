import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { keySpecOf } from '../../src/keys/key-spec.ts';
import type { KeyConfig, KeyState } from './config.ts';
import { OpenApiError } from './openapi-error.ts';

export interface KeyVersion {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly createdAt: Date;
}

export interface StoredKey {
  readonly config: KeyConfig;
  readonly accountId: string;
  state: KeyState;
  readonly versions: ReadonlyMap<string, KeyVersion>;
}

/** Reads the private keys of a key's versions, or makes them. */
export function storeKey(config: KeyConfig, defaultAccountId: string): StoredKey {
  const versions = new Map<string, KeyVersion>();
  for (const { keyVersionId, privateKeyPem } of config.versions) {
    const privateKey = privateKeyPem === undefined ? generatePrivateKey(config.spec) : createPrivateKey(privateKeyPem);
    if (keySpecOf(privateKey) !== config.spec) {
      throw new Error(`the private key of ${config.keyId}, version ${keyVersionId}, is not of spec ${config.spec}`);
    }
    versions.set(keyVersionId, { privateKey, publicKey: createPublicKey(privateKey), createdAt: new Date() });
  }
  return { config, accountId: config.accountId ?? defaultAccountId, state: config.state, versions };
}

/** PEM, SPKI. */
export function publicKeyPem(version: KeyVersion): string {
  return version.publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

/** Refuses a key in a state in which KMS does not let it be used. */
export function checkState(key: StoredKey): void {
  if (key.state === 'Enabled') return;
  throw new OpenApiError(
    409,
    `Rejected.${key.state}`,
    `The request was rejected because the key state is ${key.state}.`,
  );
}

function generatePrivateKey(spec: KeyConfig['spec']): KeyObject {
  switch (spec) {
    case 'RSA_2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    case 'RSA_3072':
      return generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
    case 'EC_P256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  }
}
