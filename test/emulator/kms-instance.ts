import { constants, createHash, createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { decodeMessage, encodeMessage, instanceMessages } from '../../src/alibaba/kms-instance-messages.ts';
import type { SigningAlgorithm } from '../../src/domain/algorithm.ts';
import { sha256 } from '../../src/domain/digest.ts';
import { canSign } from '../../src/keys/key-spec.ts';
import type { ClientKeyConfig } from './config.ts';
import { signDigest, verifyDigest } from './digest-signatures.ts';
import { type Faults, takeFault } from './faults.ts';
import { checkState, type KeyVersion, publicKeyPem, type StoredKey } from './kms-keys.ts';
import { invalidParameter, OpenApiError } from './openapi-error.ts';
import type { OpenApiMessage } from './read-message.ts';

/** The crypto service of a dedicated KMS instance: protobuf over HTTP, signed by ClientKeys. */
export interface KmsInstance {
  /**
   * Answers whose request it is: the id of its ClientKey.
   * @throws OpenApiError with the documented codes
   */
  authenticate(request: OpenApiMessage): string;
  /** What the request says that may be remembered; empty when it cannot be read. */
  recordable(request: OpenApiMessage): Readonly<Record<string, string>>;
  /** The message of a successful answer, encoded. */
  answer(request: OpenApiMessage, requestId: string): Uint8Array;
}

interface InstanceContext {
  readonly clientKeys: readonly ClientKeyConfig[];
  /** Those of the shared KMS: here too, by their last version. */
  readonly keys: ReadonlyMap<string, StoredKey>;
  readonly faults: Faults;
}

/** How far a request's time may be from ours. */
const clockSkewMaxMs = 15 * 60_000;
const digestLength = 32;
// RFC 1123 as HTTP writes it (RFC 9110, 5.6.7).
const datePattern = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * What the service checks and answers, from its documentation
 * (https://www.alibabacloud.com/help/en/kms/key-management-service/developer-reference/common-error-codes-1, and
 * …/support/request-signatures).
 */
export function createKmsInstance(context: InstanceContext): KmsInstance {
  const clientKeys = new Map(context.clientKeys.map(({ id, publicKeyPem: pem }) => [id, createPublicKey(pem)]));
  return {
    authenticate: (request) => authenticate(request, clientKeys),
    recordable: ({ headers, body }) => {
      try {
        const { KeyId, Algorithm, MessageType } = decodeMessage(requestFields(headers['x-kms-apiname']), body);
        return Object.fromEntries(Object.entries({ KeyId, Algorithm, MessageType }).filter(([, value]) => value));
      } catch {
        return {};
      }
    },
    answer: ({ headers, body }, RequestId) => {
      switch (headers['x-kms-apiname']) {
        case 'Sign':
          return sign(context, body, RequestId);
        case 'Verify':
          return verify(context, body, RequestId);
        case 'GetPublicKey': {
          const { KeyId } = read(instanceMessages.GetPublicKeyRequest, body);
          const { version } = usableKey(context, KeyId);
          const answer = { KeyId, PublicKey: publicKeyPem(version), RequestId };
          return encodeMessage(instanceMessages.GetPublicKeyResponse, answer);
        }
        default:
          throw new OpenApiError(400, 'InvalidApiName', `The ApiName "${headers['x-kms-apiname']}" is invalid.`);
      }
    },
  };
}

/** The body of an answer that refuses a request. */
export function encodeRefusal({ status, code, message }: OpenApiError, requestId: string): Uint8Array {
  const refusal = { StatusCode: status, ErrorCode: code, ErrorMessage: message, RequestId: requestId };
  return encodeMessage(instanceMessages.Error, refusal);
}

function authenticate({ headers, body }: OpenApiMessage, clientKeys: ReadonlyMap<string, KeyObject>): string {
  const { date = '', authorization = '' } = headers;
  const clientKeyId = headers['x-kms-acccesskeyid'] ?? '';
  if (headers['x-kms-apiversion'] !== 'dkms-gcs-0.2') {
    throw new OpenApiError(400, 'InvalidApiVersion', 'The ApiVersion is invalid.');
  }
  if (!datePattern.test(date) || Number.isNaN(Date.parse(date))) {
    throw new OpenApiError(400, 'InvalidParam', 'The Param Date is invalid.');
  }
  if (headers['x-kms-signaturemethod'] !== 'RSA_PKCS1_SHA_256') {
    throw new OpenApiError(400, 'InvalidParam', 'The Param x-kms-signaturemethod is invalid.');
  }
  if (clientKeyId === '') throw missing('x-kms-acccesskeyid');
  if (authorization === '') throw missing('authorization');
  if (Math.abs(Date.now() - Date.parse(date)) > clockSkewMaxMs) {
    throw new OpenApiError(400, 'RequestTimeTooSkewed', 'Request time exceeds server time more than 15 minutes.');
  }
  const key = clientKeys.get(clientKeyId);
  if (key === undefined) {
    const text = `The AccessKey ID "${clientKeyId}" does not exist in our records.`;
    throw new OpenApiError(404, 'Unauthorized', text);
  }
  // SDKs send Bearer, the documentation says TOKEN.
  const signature = /^(?:Bearer|TOKEN) ([A-Za-z0-9+/]+={0,2})$/.exec(authorization)?.[1] ?? '';
  const isBody = headers['content-sha256'] === createHash('sha256').update(body).digest('hex').toUpperCase();
  const padded = { key, padding: constants.RSA_PKCS1_PADDING };
  const isSigned = verifySignature('sha256', signedText(headers), padded, Buffer.from(signature, 'base64'));
  if (!isBody || !isSigned) throw new OpenApiError(401, 'SignatureNotMatch', 'Signature is not matched.');
  return clientKeyId;
}

/** By nothing of our client: what the documentation says is signed. */
function signedText(headers: OpenApiMessage['headers']): Buffer {
  let text = `POST\n${headers['content-sha256'] ?? ''}\n${headers['content-type'] ?? ''}\n${headers['date'] ?? ''}\n`;
  for (const name of Object.keys(headers).sort()) {
    if (name.startsWith('x-kms-')) text += `${name}:${(headers[name] ?? '').trim()}\n`;
  }
  return Buffer.from(`${text}/`);
}

function sign(context: InstanceContext, body: Uint8Array, RequestId: string): Uint8Array {
  const request = read(instanceMessages.SignRequest, body);
  const { key, version } = usableKey(context, request.KeyId);
  const algorithm = readAlgorithm(request.Algorithm, key);
  const digest = readDigest(request);
  // The fault is a well-formed signature of the right key over something else: only verifying it tells.
  const signed = takeFault(context.faults, 'wrongSignatureNext') ? sha256(digest) : digest;
  return encodeMessage(instanceMessages.SignResponse, {
    KeyId: request.KeyId,
    Signature: signDigest(version.privateKey, algorithm, signed),
    RequestId,
    Algorithm: algorithm,
    MessageType: request.MessageType || 'RAW',
  });
}

function verify(context: InstanceContext, body: Uint8Array, RequestId: string): Uint8Array {
  const request = read(instanceMessages.VerifyRequest, body);
  const { key, version } = usableKey(context, request.KeyId);
  const algorithm = readAlgorithm(request.Algorithm, key);
  const digest = readDigest(request);
  if (request.Signature.length === 0) throw missing('Signature');
  return encodeMessage(instanceMessages.VerifyResponse, {
    KeyId: request.KeyId,
    Value: verifyDigest(version.publicKey, algorithm, digest, request.Signature),
    RequestId,
    Algorithm: algorithm,
    MessageType: request.MessageType || 'RAW',
  });
}

function usableKey(
  { keys }: InstanceContext,
  keyId: string,
): { readonly key: StoredKey; readonly version: KeyVersion } {
  if (keyId === '') throw missing('KeyId');
  const key = [...keys.values()].find(
    ({ config }) => config.keyId === keyId || (keyId.startsWith('alias/') && config.aliases.includes(keyId)),
  );
  const version = key === undefined ? undefined : [...key.versions.values()].at(-1);
  if (key === undefined || version === undefined) {
    throw new OpenApiError(404, 'Forbidden.KeyNotFound', 'The specified Key is not found.');
  }
  checkState(key);
  return { key, version };
}

/** An instance takes an algorithm of its own when none is named. */
function readAlgorithm(named: string, { config: { spec, usage } }: StoredKey): SigningAlgorithm {
  const known = (['RSA_PSS_SHA_256', 'RSA_PKCS1_SHA_256', 'ECDSA_SHA_256'] as const).filter((algorithm) =>
    canSign(spec, algorithm),
  );
  const algorithm = named === '' ? known[0] : known.find((candidate) => candidate === named);
  if (algorithm === undefined || usage !== 'SIGN/VERIFY') throw invalidParameter('Algorithm');
  return algorithm;
}

function readDigest({ Message, MessageType }: { readonly Message: Uint8Array; readonly MessageType: string }) {
  if (Message.length === 0) throw missing('Message');
  switch (MessageType) {
    case '':
    case 'RAW':
      return sha256(Message);
    case 'DIGEST':
      if (Message.length !== digestLength) throw invalidParameter('Message');
      return Message;
    default:
      throw invalidParameter('MessageType');
  }
}

function requestFields(apiName: string | undefined) {
  return apiName === 'Verify' ? instanceMessages.VerifyRequest : instanceMessages.SignRequest;
}

function read<Fields extends Parameters<typeof decodeMessage>[0]>(fields: Fields, body: Uint8Array) {
  try {
    return decodeMessage(fields, body);
  } catch {
    throw invalidParameter('body');
  }
}

function missing(name: string): OpenApiError {
  return new OpenApiError(400, 'MissingParameter', `Parameter ${name} does not exist in http header or body.`);
}
