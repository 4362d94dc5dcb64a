import { constants, createHash, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';

/** What a ClientKey signs requests with. */
export interface RequestSigningKey {
  readonly id: string;
  /** RSA. */
  readonly privateKey: KeyObject;
}

// With a callback Node signs on its thread pool: RSA takes milliseconds that the event loop does not have.
const signOffThread = promisify(sign);

const contentType = 'application/x-protobuf';
const apiVersion = 'dkms-gcs-0.2';
const signatureMethod = 'RSA_PKCS1_SHA_256';

/**
 * The headers of a call to a KMS instance, signed by its ClientKey
 * (https://www.alibabacloud.com/help/en/kms/key-management-service/support/common-request-headers and
 * …/support/request-signatures). `host` and `content-length` are the HTTP client's.
 * @param apiName `Sign`, `Verify`, `GetPublicKey`, …
 */
export async function signedHeaders(
  apiName: string,
  body: Uint8Array,
  clientKey: RequestSigningKey,
  at: Date,
): Promise<Readonly<Record<string, string>>> {
  const headers = {
    accept: contentType,
    'content-type': contentType,
    date: at.toUTCString(),
    'content-sha256': createHash('sha256').update(body).digest('hex').toUpperCase(),
    // Three c's: so the service spells it.
    'x-kms-acccesskeyid': clientKey.id,
    'x-kms-apiname': apiName,
    'x-kms-apiversion': apiVersion,
    'x-kms-signaturemethod': signatureMethod,
  };
  const key = { key: clientKey.privateKey, padding: constants.RSA_PKCS1_PADDING };
  const signature = await signOffThread('sha256', Buffer.from(stringToSign(headers)), key);
  // The documentation's page says TOKEN; every SDK that ships sends Bearer.
  return { ...headers, authorization: `Bearer ${signature.toString('base64')}` };
}

/** The text that is signed: a line each for method, body, type and time, each `x-kms-` header by name, and the path. */
export function stringToSign(headers: Readonly<Record<string, string>>): string {
  const canonical = Object.keys(headers)
    .filter((name) => name.startsWith('x-kms-'))
    .sort()
    .map((name) => `${name}:${headers[name]?.trim()}`);
  const lines = ['POST', headers['content-sha256'], headers['content-type'], headers['date'], ...canonical, '/'];
  return lines.join('\n');
}
