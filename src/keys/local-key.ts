import { constants, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeySpec, SigningAlgorithm } from '../domain/algorithm.ts';
import { AutosignError } from '../domain/errors.ts';
import type { Signer } from '../ports/signer.ts';
import { canSign, keySpecOf } from './key-spec.ts';

export interface LocalSignerOptions {
  /** PEM, unencrypted (PKCS#8, or the older forms that Node reads). */
  readonly privateKeyPem: string;
  /** What the rules say the key is; another key is refused. */
  readonly spec: KeySpec;
}

// With a callback Node signs on its thread pool: RSA takes milliseconds that the event loop does not have.
const signOffThread = promisify(sign);

const signOptions = {
  RSA_PSS_SHA_256: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
  RSA_PKCS1_SHA_256: { padding: constants.RSA_PKCS1_PADDING },
  ECDSA_SHA_256: { dsaEncoding: 'der' },
} as const satisfies Record<SigningAlgorithm, object>;

/**
 * A signer with a private key in memory, for development and tests.
 * @throws AutosignError `key-unusable` for a PEM that is no private key or is not of `spec`
 */
export function createLocalSigner({ privateKeyPem, spec }: LocalSignerOptions): Signer {
  const privateKey = readPrivateKey(privateKeyPem);
  const found = keySpecOf(privateKey);
  if (found !== spec) {
    throw new AutosignError(
      'key-unusable',
      `the local private key is ${found ?? `of no supported kind (${privateKey.asymmetricKeyType ?? 'unknown'})`}, ` +
        `the rules say ${spec}: correct "spec" or the key file`,
    );
  }
  return {
    sign: async (algorithm, message) => {
      if (!canSign(spec, algorithm)) {
        throw new AutosignError('key-unusable', `a key of spec ${spec} cannot sign with ${algorithm}`);
      }
      return { signature: await signOffThread('sha256', message, { key: privateKey, ...signOptions[algorithm] }) };
    },
  };
}

/**
 * The public key of a private key, as PEM (SPKI).
 * @throws AutosignError `key-unusable` for a PEM that is no private key
 */
export function publicKeyOf(privateKeyPem: string): string {
  return createPublicKey(readPrivateKey(privateKeyPem)).export({ type: 'spki', format: 'pem' }).toString();
}

function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's own error is not kept as a cause: it says nothing more, and what it holds of the key is not ours to check.
    throw new AutosignError('key-unusable', 'the local key file holds no unencrypted private key in PEM');
  }
}
