import { Agent, type Dispatcher, errors } from 'undici';
import { AutosignError } from '../domain/errors.ts';
import { tryAgain } from '../domain/try-again.ts';
import type { Clock } from '../ports/clock.ts';
import { exchangeHttp } from './http-exchange.ts';
import type { RegistryLimits } from './registry-limits.ts';
import { retryAfterMs } from './retry-after.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
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
  /** The connections to use, which stay open; its own when absent. */
  readonly dispatcher?: Dispatcher | undefined;
}

export function createTransport({ limits, userAgent, clock, dispatcher }: TransportOptions): Transport {
  const agent = dispatcher ?? openAgent(limits);

  async function exchange(request: HttpRequest): Promise<HttpAnswer> {
    request.beforeSend?.();
    const { origin, pathname, search } = request.url;
    const { status, headers, bytes } = await exchangeHttp({
      agent,
      request: {
        origin,
        path: pathname + search,
        method: request.method,
        headers: { 'user-agent': userAgent, ...request.headers },
        body: request.body ?? null,
      },
      timeoutMs: limits.requestTimeoutMs,
      signal: request.signal,
      readOn: (answered, size) => isWanted(request, answered, size, limits),
    });
    return { status, header: (name) => headerOf(headers, name), bytes };
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

  return { send, close: async () => (dispatcher === undefined ? agent.close() : undefined) };
}

function openAgent(limits: RegistryLimits): Agent {
  return new Agent({
    // Said outright, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn the check of certificates off.
    connect: { timeout: limits.connectTimeoutMs, rejectUnauthorized: true },
    connections: limits.connectionsMax,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    // The limits on time and size are those of HTTP/1.1 connections.
    allowH2: false,
  });
}

/** An error page that is too long is left unread; a success that is too long is an error. */
function isWanted({ about, bytesMax }: HttpRequest, status: number, size: number, limits: RegistryLimits): boolean {
  if (status >= 300) return size <= limits.errorBytesMax;
  if (size > bytesMax) throw new AutosignError('too-large', `${about}: more than ${bytesMax} bytes`);
  return true;
}

function headerOf(headers: Readonly<Record<string, string | readonly string[] | undefined>>, name: string) {
  const value = headers[name];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
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
