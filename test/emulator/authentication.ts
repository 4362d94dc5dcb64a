import { createHash, timingSafeEqual } from 'node:crypto';
import { acs3Signature, parseAuthorization } from './acs3-signature.ts';
import type { AccessKey, Identities, Identity } from './identities.ts';
import { OpenApiError } from './openapi-error.ts';

/** A request as it came in; header names lower-case. */
export interface OpenApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** How far a request's time may be from ours. */
const clockSkewMaxMs = 15 * 60_000;
/** Headers that the signature must cover whenever they are there, besides every `x-acs-` one. */
const alwaysSigned = ['host', 'content-type'];

/**
 * Checks signature, time and nonce of a request and answers whose it is. `seenNonces` is written to.
 * @throws OpenApiError with the codes that all products share
 */
export function authenticate(request: OpenApiRequest, identities: Identities, seenNonces: Set<string>): Identity {
  const authorization = parseAuthorization(request.headers['authorization']);
  if (authorization === undefined) {
    throw new OpenApiError(
      400,
      'IncompleteSignature',
      'The request signature does not conform to Alibaba Cloud standards.',
    );
  }
  checkSignedHeaders(request, authorization.signedHeaders);
  const key = identities.find(authorization.accessKeyId);
  if (key === undefined)
    throw new OpenApiError(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.');
  const bodySha256 = createHash('sha256').update(request.body).digest('hex');
  const expected = acs3Signature({ ...request, signedHeaders: authorization.signedHeaders, bodySha256 }, key.secret);
  const matches = timingSafeEqual(Buffer.from(expected), Buffer.from(authorization.signature));
  if (!matches || request.headers['x-acs-content-sha256'] !== bodySha256) {
    throw new OpenApiError(400, 'SignatureDoesNotMatch', 'Specified signature is not matched with our calculation.');
  }
  checkTime(request.headers['x-acs-date']);
  checkToken(request, authorization.accessKeyId, key, identities);
  checkNonce(request.headers['x-acs-signature-nonce'], authorization.accessKeyId, seenNonces);
  return key.identity;
}

function checkSignedHeaders(request: OpenApiRequest, signedHeaders: readonly string[]): void {
  const required = Object.keys(request.headers).filter(
    (name) => name.startsWith('x-acs-') || alwaysSigned.includes(name),
  );
  const missing = required.filter((name) => !signedHeaders.includes(name));
  if (missing.length > 0) {
    throw new OpenApiError(400, 'IncompleteSignature', `The signature does not cover ${missing.join(', ')}.`);
  }
}

function checkTime(date: string | undefined): void {
  const sentAtMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(date ?? '') ? Date.parse(date ?? '') : Number.NaN;
  if (Number.isNaN(sentAtMs))
    throw new OpenApiError(400, 'InvalidTimeStamp.Format', 'Specified time stamp is not well formatted.');
  if (Math.abs(Date.now() - sentAtMs) > clockSkewMaxMs) {
    throw new OpenApiError(400, 'InvalidTimeStamp.Expired', 'Specified time stamp or date value is expired.');
  }
}

function checkToken(request: OpenApiRequest, accessKeyId: string, key: AccessKey, identities: Identities): void {
  const token = request.headers['x-acs-security-token'];
  if (key.session === undefined) {
    if (token === undefined) return;
    throw new OpenApiError(
      400,
      'InvalidSecurityToken.MismatchWithAccessKey',
      'Specified SecurityToken mismatch with the AccessKey.',
    );
  }
  if (token !== key.session.securityToken || request.headers['x-acs-accesskey-id'] !== accessKeyId) {
    throw new OpenApiError(400, 'InvalidSecurityToken.Malformed', 'Specified SecurityToken is malformed.');
  }
  if (identities.isOver(key.session)) {
    throw new OpenApiError(400, 'InvalidSecurityToken.Expired', 'Specified SecurityToken is expired.');
  }
}

function checkNonce(nonce: string | undefined, accessKeyId: string, seenNonces: Set<string>): void {
  if (nonce === undefined || nonce === '')
    throw new OpenApiError(400, 'MissingParameter', 'x-acs-signature-nonce is needed.');
  const seen = `${accessKeyId} ${nonce}`;
  if (seenNonces.has(seen))
    throw new OpenApiError(400, 'SignatureNonceUsed', 'Specified signature nonce was used already.');
  seenNonces.add(seen);
}
