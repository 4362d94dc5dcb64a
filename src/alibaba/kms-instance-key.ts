import { createPublicKey } from 'node:crypto';
import type { SigningAlgorithm } from '../domain/algorithm.ts';
import { sha256 } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signer } from '../ports/signer.ts';
import type { OpenApiTimeouts } from './call-openapi.ts';
import type { ClientKey } from './client-key.ts';
import type { KmsCall } from './kms-call.ts';
import { openInstanceGateway } from './kms-instance-call.ts';
import { decodeMessage, encodeMessage, instanceMessages } from './kms-instance-messages.ts';

export interface KmsInstanceKeyOptions {
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string;
  /** Of the instance, for messages. */
  readonly region: string | undefined;
  /** Id or alias. */
  readonly keyId: string;
  readonly clientKey: ClientKey;
  /** PEM of the instance's own authority; undefined: those of the system. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly timeouts: OpenApiTimeouts;
  /** Told of each call that was sent, for the metrics. */
  readonly onCall?: ((call: KmsCall) => void) | undefined;
}

/** A key of a dedicated KMS instance. The protocol knows no key versions: only the public key tells which one signs. */
export interface KmsInstanceKey extends Signer {
  /** PEM, SPKI; throws as `sign` does. */
  getPublicKey(): Promise<string>;
  /** Whether `signature` (RSA raw, ECDSA in DER) is the key's over `message`, as the instance says; throws as `sign` does. */
  verify(algorithm: SigningAlgorithm, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/**
 * A key of a KMS instance, used with a ClientKey. Calls are made once; who calls decides on retries.
 * @throws AutosignError `rules-invalid` for a bad endpoint
 */
export function createKmsInstanceKey(options: KmsInstanceKeyOptions): KmsInstanceKey {
  const { keyId, clientKey, clock, onCall } = options;
  const gateway = openInstanceGateway(options);

  async function call<Answer>(apiName: string, body: Uint8Array, read: (answer: Uint8Array) => Answer | undefined) {
    const at = clock.now();
    checkClientKey(clientKey, at);
    try {
      const answer = readAnswer(await gateway.call({ apiName, body, clientKey, at }), read);
      if (answer === undefined) {
        throw new AutosignError('kms-unreachable', `${apiName} at ${gateway.name}: the answer is not as documented`);
      }
      onCall?.({ action: apiName, outcome: 'ok' });
      return answer;
    } catch (error) {
      onCall?.({ action: apiName, outcome: isAutosignError(error, 'kms-throttled') ? 'throttled' : 'failed' });
      throw error;
    }
  }

  return {
    async sign(algorithm, message) {
      // The algorithm is named because an instance otherwise takes one of its own by key; and the digest is sent
      // because a message of any length is allowed nowhere.
      const body = encodeMessage(instanceMessages.SignRequest, {
        KeyId: keyId,
        Algorithm: algorithm,
        Message: sha256(message),
        MessageType: 'DIGEST',
      });
      return call('Sign', body, (answer) => {
        const { Signature, RequestId } = decodeMessage(instanceMessages.SignResponse, answer);
        return Signature.length === 0 ? undefined : { signature: Signature, requestId: RequestId || undefined };
      });
    },
    async verify(algorithm, message, signature) {
      const body = encodeMessage(instanceMessages.VerifyRequest, {
        KeyId: keyId,
        Algorithm: algorithm,
        Message: sha256(message),
        MessageType: 'DIGEST',
        Signature: signature,
      });
      return call('Verify', body, (answer) => decodeMessage(instanceMessages.VerifyResponse, answer).Value);
    },
    async getPublicKey() {
      const body = encodeMessage(instanceMessages.GetPublicKeyRequest, { KeyId: keyId });
      return call('GetPublicKey', body, (answer) => {
        const { PublicKey } = decodeMessage(instanceMessages.GetPublicKeyResponse, answer);
        // What is no key ends as an answer that is not as documented, not as a defect of whoever uses it.
        return createPublicKey(PublicKey).export({ type: 'spki', format: 'pem' }).toString();
      });
    },
  };
}

/** @throws AutosignError `key-unusable` for a ClientKey that is over: its calls would be refused one by one */
export function checkClientKey({ id, notAfter }: ClientKey, at: Date): void {
  if (notAfter === undefined || at < notAfter) return;
  throw new AutosignError(
    'key-unusable',
    `ClientKey ${id} ended on ${notAfter.toISOString()}. Make a new one in the KMS console (its application access point) and put its file in the place of clientKeyFile.`,
  );
}

function readAnswer<Answer>(bytes: Uint8Array, read: (answer: Uint8Array) => Answer | undefined): Answer | undefined {
  try {
    return read(bytes);
  } catch {
    // Damaged bytes are no message.
    return undefined;
  }
}
