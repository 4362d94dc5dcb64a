import { createHash, timingSafeEqual } from 'node:crypto';
import { acs3Signature, parseAuthorization } from './acs3-signature.ts';
import type { AccessKey, Identities, Identity } from './identities.ts';
import { OpenApiError } from './openapi-error.ts';
import type { OpenApiMessage } from './read-message.ts';
import { rpcSignature } from './rpc-signature.ts';

/** How far a request's time may be from ours. */
const clockSkewMaxMs = 15 * 60_000;
/** Headers that the signature must cover whenever they are there, besides every `x-acs-` one. */
const alwaysSigned = ['host', 'content-type'];

/** What a request says of its sender, in either way of signing. */
interface Claim {
  readonly accessKeyId: string;
  readonly signature: string;
  /** What the signature must be for this secret. */
  readonly expected: (accessKeySecret: string) => string;
  readonly sentAt: string | undefined;
  readonly nonce: string | undefined;
  readonly securityToken: string | undefined;
}

/**
 * Checks signature, time and nonce of a request and answers whose it is: ACS3-HMAC-SHA256 in its headers, or HMAC-SHA1 in
 * its parameters. `seenNonces` is written to.
 * @throws OpenApiError with the codes that all products share
 */
export function authenticate(message: OpenApiMessage, identities: Identities, seenNonces: Set<string>): Identity {
  const claim = isRpcSigned(message) ? readRpcClaim(message) : readAcs3Claim(message);
  const key = identities.find(claim.accessKeyId);
  if (key === undefined)
    throw new OpenApiError(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.');
  if (!equal(claim.expected(key.secret), claim.signature)) {
    throw new OpenApiError(400, 'SignatureDoesNotMatch', 'Specified signature is not matched with our calculation.');
  }
  checkTime(claim.sentAt);
  checkToken(claim.securityToken, key, identities);
  checkNonce(claim.nonce, claim.accessKeyId, seenNonces);
  return key.identity;
}

/** Whether the request is signed in its parameters, in the older way. */
export function isRpcSigned({ headers, parameters }: OpenApiMessage): boolean {
  return headers['authorization'] === undefined && parameters.has('Signature');
}

function readAcs3Claim(message: OpenApiMessage): Claim {
  const { headers } = message;
  const authorization = parseAuthorization(headers['authorization']);
  if (authorization === undefined) {
    throw incomplete('The request signature does not conform to Alibaba Cloud standards.');
  }
  const { accessKeyId, signedHeaders, signature } = authorization;
  checkSignedHeaders(headers, signedHeaders);
  const token = headers['x-acs-security-token'];
  const bodySha256 = createHash('sha256').update(message.body).digest('hex');
  const said = headers['x-acs-content-sha256'];
  return {
    accessKeyId,
    // One that is about another body counts for nothing.
    signature: said === bodySha256 ? signature : '',
    expected: (secret) => acs3Signature({ ...message, signedHeaders, bodySha256 }, secret),
    sentAt: headers['x-acs-date'],
    nonce: headers['x-acs-signature-nonce'],
    // A token goes with the name of its key.
    securityToken: token !== undefined && headers['x-acs-accesskey-id'] !== accessKeyId ? '' : token,
  };
}

function readRpcClaim({ method, parameters }: OpenApiMessage): Claim {
  const missing = ['Action', 'Version'].filter((name) => !parameters.has(name));
  if (missing.length > 0) throw incomplete(`The signature does not cover ${missing.join(', ')}.`);
  for (const name of new Set(parameters.keys())) {
    if (parameters.getAll(name).length > 1) throw incomplete(`The parameter ${name} is there more than once.`);
  }
  if (parameters.get('SignatureMethod') !== 'HMAC-SHA1' || parameters.get('SignatureVersion') !== '1.0') {
    throw incomplete('SignatureMethod must be HMAC-SHA1, and SignatureVersion 1.0.');
  }
  return {
    accessKeyId: parameters.get('AccessKeyId') ?? '',
    signature: parameters.get('Signature') ?? '',
    expected: (secret) => rpcSignature(method, parameters, secret),
    sentAt: parameters.get('Timestamp') ?? undefined,
    nonce: parameters.get('SignatureNonce') ?? undefined,
    securityToken: parameters.get('SecurityToken') ?? undefined,
  };
}

function incomplete(message: string): OpenApiError {
  return new OpenApiError(400, 'IncompleteSignature', message);
}

function equal(a: string, b: string): boolean {
  const [aBytes, bBytes] = [Buffer.from(a), Buffer.from(b)];
  return aBytes.length === bBytes.length && timingSafeEqual(aBytes, bBytes);
}

function checkSignedHeaders(headers: OpenApiMessage['headers'], signedHeaders: readonly string[]): void {
  const required = Object.keys(headers).filter((name) => name.startsWith('x-acs-') || alwaysSigned.includes(name));
  const missing = required.filter((name) => !signedHeaders.includes(name));
  if (missing.length > 0) throw incomplete(`The signature does not cover ${missing.join(', ')}.`);
}

function checkTime(date: string | undefined): void {
  const sentAtMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(date ?? '') ? Date.parse(date ?? '') : Number.NaN;
  if (Number.isNaN(sentAtMs))
    throw new OpenApiError(400, 'InvalidTimeStamp.Format', 'Specified time stamp is not well formatted.');
  if (Math.abs(Date.now() - sentAtMs) > clockSkewMaxMs) {
    throw new OpenApiError(400, 'InvalidTimeStamp.Expired', 'Specified time stamp or date value is expired.');
  }
}

function checkToken(token: string | undefined, { session }: AccessKey, identities: Identities): void {
  if (session === undefined) {
    if (token === undefined) return;
    throw new OpenApiError(
      400,
      'InvalidSecurityToken.MismatchWithAccessKey',
      'Specified SecurityToken mismatch with the AccessKey.',
    );
  }
  if (token !== session.securityToken) {
    throw new OpenApiError(400, 'InvalidSecurityToken.Malformed', 'Specified SecurityToken is malformed.');
  }
  if (identities.isOver(session)) {
    throw new OpenApiError(400, 'InvalidSecurityToken.Expired', 'Specified SecurityToken is expired.');
  }
}

function checkNonce(nonce: string | undefined, accessKeyId: string, seenNonces: Set<string>): void {
  if (nonce === undefined || nonce === '')
    throw new OpenApiError(400, 'MissingParameter', 'The signature needs a nonce.');
  const seen = `${accessKeyId} ${nonce}`;
  if (seenNonces.has(seen))
    throw new OpenApiError(400, 'SignatureNonceUsed', 'Specified signature nonce was used already.');
  seenNonces.add(seen);
}
