import { Agent, type Dispatcher, errors } from 'undici';
import { AutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { RegistryLimits } from './registry-limits.ts';
import { retryAfterMs } from './retry-after.ts';
import { tryAgain } from './try-again.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | undefined;
  /** What messages call this request: method, host, repository and reference, never a query. */
  readonly about: string;
  /** The most that is read of a successful answer. */
  readonly bytesMax: number;
  readonly signal?: AbortSignal | undefined;
  /** Called right before each time the request is sent. */
  readonly beforeSend?: (() => void) | undefined;
  /**
   * Sent once only: the first try may have used its address up. All else is tried again; a GET changes nothing, a
   * manifest or blob is the same however often it is put, and an upload that nobody ends costs nothing.
   */
  readonly once?: boolean | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Undefined when the header is absent; repeated ones are joined by a comma (RFC 9110, 5.3). */
  header(name: string): string | undefined;
  readonly bytes: Uint8Array;
}

export type Send = (request: HttpRequest) => Promise<HttpAnswer>;

export interface Transport {
  /**
   * One answer of any status but 429 and 5xx. Follows no redirect and adds no credentials. A connection that fails, 429
   * and 5xx are tried again (`tryAgain`), unless the request says `once`; what lasts is thrown, with `retryAfterMs`.
   * @throws AutosignError `registry-unreachable`, `registry-throttled`, `registry-protocol`, `too-large`
   */
  readonly send: Send;
  close(): Promise<void>;
}

interface TransportOptions {
  readonly limits: RegistryLimits;
  readonly userAgent: string;
  readonly clock: Clock;
}

export function createTransport({ limits, userAgent, clock }: TransportOptions): Transport {
  const agent = new Agent({
    // Said outright, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn the check of certificates off.
    connect: { timeout: limits.connectTimeoutMs, rejectUnauthorized: true },
    connections: limits.connectionsMax,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    // The limits on time and size are those of HTTP/1.1 connections.
    allowH2: false,
  });

  async function exchange(request: HttpRequest): Promise<HttpAnswer> {
    const timeout = AbortSignal.timeout(limits.requestTimeoutMs);
    request.beforeSend?.();
    const response = await agent.request({
      origin: request.url.origin,
      path: request.url.pathname + request.url.search,
      method: request.method,
      headers: { 'user-agent': userAgent, ...request.headers },
      body: request.body ?? null,
      signal: request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]),
    });
    const bytes = await readBody(response, request, limits);
    return { status: response.statusCode, header: (name) => headerOf(response, name), bytes };
  }

  async function sendOnce(request: HttpRequest): Promise<HttpAnswer> {
    request.signal?.throwIfAborted();
    let answer: HttpAnswer;
    try {
      answer = await exchange(request);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw error instanceof AutosignError ? error : failureOf(error, request);
    }
    if (answer.status !== 429 && answer.status < 500) return answer;
    const throttled = answer.status === 429;
    const wait = retryAfterMs(answer.header('retry-after'), clock.now(), limits.retryAfterMsMax);
    throw new AutosignError(
      throttled ? 'registry-throttled' : 'registry-unreachable',
      `${request.about}: the registry answered ${answer.status}${throttled ? ' (too many requests)' : ''}; try again later`,
      { retryAfterMs: wait },
    );
  }

  const send: Send = (request) =>
    request.once === true ? sendOnce(request) : tryAgain(() => sendOnce(request), { limits, signal: request.signal });

  return { send, close: () => agent.close() };
}

async function readBody(
  response: Dispatcher.ResponseData,
  request: HttpRequest,
  limits: RegistryLimits,
): Promise<Uint8Array> {
  const isSuccess = response.statusCode < 300;
  const bytesMax = isSuccess ? request.bytesMax : limits.errorBytesMax;
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early destroys the body, and with it the connection: no more is read.
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > bytesMax && !isSuccess) return new Uint8Array();
    if (size > bytesMax) throw new AutosignError('too-large', `${request.about}: more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function headerOf(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** What the peer sent was no HTTP: trying again may help, but the reason differs from a peer that is away. */
function isProtocolError(error: unknown): boolean {
  return error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError;
}

/** Names the cause by its code alone: messages of lower layers may quote what was sent. */
function failureOf(error: unknown, request: HttpRequest): AutosignError {
  const code = codeOf(error) ?? (error instanceof Error ? error.name : 'unknown error');
  return isProtocolError(error)
    ? new AutosignError('registry-protocol', `${request.about}: the answer is not HTTP (${code})`, { cause: error })
    : new AutosignError('registry-unreachable', `${request.about}: no answer (${code}); check host, network and TLS`, {
        cause: error,
      });
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
