import { RuntimeOptions } from '@darabonba/typescript';
import { AutosignError } from '../domain/errors.ts';
import { Config, OpenApiClient, OpenApiRequest, Params } from './alibaba-sdk.ts';
import { parseEndpoint } from './endpoint.ts';
import type { FailureReader } from './failure-table.ts';
import { keyFailures } from './openapi-failures.ts';
import { redact, secretsOf } from './redact.ts';
import type { StsCredentials } from './sts-credentials.ts';

/** Limits of one call, without retries. */
export interface OpenApiTimeouts {
  /** Until the connection stands; the client counts any silence of this length as no connection. */
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the answer. */
  readonly readTimeoutMs: number;
}

export interface OpenApiCall {
  /** `host[:port]`, or `http://` with a loopback address. */
  readonly endpoint: string;
  readonly action: string;
  /** The version of the product's API, a date. */
  readonly version: string;
  /** Parameters of the RPC style; sent in the query. */
  readonly query: Readonly<Record<string, string>>;
  readonly credentials: StsCredentials;
  readonly timeouts: OpenApiTimeouts;
  /** PEM of the authority that signed the endpoint's certificate, when the system does not know it. */
  readonly ca?: string | undefined;
  /** Values of the query that nothing may quote, beside `ExternalId`. */
  readonly secrets?: readonly string[] | undefined;
  /** How errors of this product are read; those of KMS and STS when absent. */
  readonly failures?: FailureReader | undefined;
}

/**
 * Calls one action of an RPC style API of Alibaba Cloud, once, signed with ACS3-HMAC-SHA256
 * (https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature).
 * @returns the JSON of a successful answer, not yet checked
 * @throws AutosignError with the meaning of Alibaba's error code (openapi-failures.ts); `rules-invalid` for a bad endpoint
 */
export async function callOpenApi(call: OpenApiCall): Promise<unknown> {
  const { protocol, host } = parseEndpoint(call.endpoint);
  const { accessKeyId, accessKeySecret, securityToken } = call.credentials;
  const client = new OpenApiClient(
    new Config({ endpoint: host, protocol, accessKeyId, accessKeySecret, securityToken }),
  );
  const params = new Params({
    action: call.action,
    version: call.version,
    protocol,
    method: 'POST',
    pathname: '/',
    authType: 'AK',
    style: 'RPC',
    reqBodyType: 'formData',
    bodyType: 'json',
  });
  const runtime = new RuntimeOptions({
    connectTimeout: call.timeouts.connectTimeoutMs,
    readTimeout: call.timeouts.readTimeoutMs,
    ca: call.ca,
    // Explicitly, or NODE_TLS_REJECT_UNAUTHORIZED=0 of the environment would switch the check off.
    ignoreSSL: false,
  });
  let answer: Record<string, unknown>;
  try {
    answer = await client.callApi(params, new OpenApiRequest({ query: { ...call.query } }), runtime);
  } catch (error) {
    throw translate(error, call, host);
  }
  // The client takes every status below 400 for a success and follows no redirect.
  if (answer['statusCode'] !== 200) {
    const { unreachable } = call.failures ?? keyFailures;
    throw new AutosignError(
      unreachable.code,
      `${call.action} at ${host}: unexpected HTTP status ${answer['statusCode']}. ${unreachable.advice}`,
    );
  }
  return answer['body'];
}

/** Alibaba's own error code (`NoPermission`, `Rejected.Throttling`, …) behind an error of `callOpenApi`, if it came to an answer. */
export function alibabaCodeOf(error: AutosignError): string | undefined {
  if (error.cause instanceof AutosignError) return alibabaCodeOf(error.cause);
  return error.cause instanceof OpenApiFailure ? error.cause.code : undefined;
}

/** The client's error without what may quote a secret: the original holds the raw answer. */
class OpenApiFailure extends Error {
  readonly code: string | undefined;

  constructor(name: string, message: string, code: string | undefined) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

function translate(error: unknown, call: OpenApiCall, host: string): AutosignError {
  const { name, message, code, statusCode, requestId, retryAfter } = fieldsOf(error);
  // The client writes "undefined" for what an answer lacks.
  if (statusCode === undefined || code === undefined || code === 'undefined') {
    const { unreachable } = call.failures ?? keyFailures;
    const text = redact(message, secretsIn(call));
    const what = `${call.action} at ${host}: no usable answer (${name}: ${text})`;
    return new AutosignError(unreachable.code, `${what}. ${unreachable.advice}`, {
      cause: new OpenApiFailure(name, text, undefined),
    });
  }
  // x-acs-retry-after is in milliseconds.
  return failureOfAnswer(call, { name, message, code, statusCode, requestId, retryAfterMs: retryAfter });
}

/** An error as a product answered it. */
export interface AnsweredFailure {
  readonly name: string;
  readonly message: string;
  readonly code: string;
  readonly statusCode: number;
  readonly requestId: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** The error that an answer means, without what may quote a secret. */
export function failureOfAnswer(call: OpenApiCall, answered: AnsweredFailure): AutosignError {
  const { name, message, code, statusCode, requestId, retryAfterMs } = answered;
  const secrets = secretsIn(call);
  const [text, safeCode] = [redact(message, secrets), redact(code, secrets)];
  const safeRequestId = requestId === undefined ? undefined : redact(requestId, secrets);
  const meaning = (call.failures ?? keyFailures).meaningOf(code, statusCode, call.action);
  const where = `${call.action} at ${parseEndpoint(call.endpoint).host}`;
  const answer = `${safeCode}, HTTP ${statusCode}, RequestId ${safeRequestId ?? 'none'} (${text})`;
  return new AutosignError(meaning.code, `${where}: ${answer}. ${meaning.advice}`, {
    cause: new OpenApiFailure(name, text, safeCode),
    retryAfterMs,
    requestId: safeRequestId,
  });
}

function secretsIn({ credentials, query, secrets = [] }: OpenApiCall): readonly string[] {
  return [...secretsOf(credentials, query['ExternalId']), ...secrets];
}

interface ClientFailure {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly statusCode: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;
}

function fieldsOf(error: unknown): ClientFailure {
  const value: Record<string, unknown> = typeof error === 'object' && error !== null ? { ...error } : {};
  const text = (field: string) => (typeof value[field] === 'string' ? value[field] : undefined);
  const number = (field: string) => (typeof value[field] === 'number' ? value[field] : undefined);
  return {
    name: error instanceof Error ? error.name : 'Error',
    // The client's own text repeats code, status and request id around the service's message.
    message: messageOf(value['data']) ?? (error instanceof Error ? error.message : String(error)),
    code: text('code'),
    statusCode: number('statusCode'),
    requestId: text('requestId'),
    retryAfter: number('retryAfter'),
  };
}

function messageOf(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null || !('Message' in data)) return undefined;
  return typeof data.Message === 'string' ? data.Message : undefined;
}
