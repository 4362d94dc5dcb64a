import type { Dispatcher } from 'undici';

export interface HttpExchangeOptions {
  readonly agent: Dispatcher;
  readonly request: Dispatcher.DispatchOptions;
  /** From the call to the last byte of the answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * What becomes of a body that has `size` bytes so far: read on, or leave it, so that the answer has no bytes. What it
   * throws ends the exchange.
   */
  readonly readOn: (status: number, size: number) => boolean;
}

interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly bytes: Uint8Array;
}

/**
 * One request and its whole answer. On undici's `dispatch`, since all bodies are small and read whole: the stream that
 * `request` puts around each costs more processor time than the rest of the exchange.
 * https://undici.nodejs.org/#/docs/api/Dispatcher?id=dispatcherdispatchoptions-handler
 */
export function exchangeHttp(options: HttpExchangeOptions): Promise<WholeAnswer> {
  const { agent, request, timeoutMs, signal, readOn } = options;
  const { promise, resolve, reject } = Promise.withResolvers<WholeAnswer>();
  let controller: Dispatcher.DispatchController | undefined;
  let stopped: Error | undefined;

  function stop(reason: Error): void {
    stopped = reason;
    end();
    reject(reason);
    controller?.abort(reason);
  }
  const onAbort = () => stop(signal?.reason as Error);
  // AbortSignal.timeout would live on for its whole time after each of many quick requests.
  const timer = setTimeout(() => stop(new DOMException('no answer in time', 'TimeoutError')), timeoutMs);
  signal?.addEventListener('abort', onAbort);
  function end(): void {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
  function answer(status: number, headers: WholeAnswer['headers'], bytes: Uint8Array): void {
    end();
    resolve({ status, headers, bytes });
  }

  let status = 0;
  let headers: WholeAnswer['headers'] = {};
  const chunks: Buffer[] = [];
  let size = 0;
  agent.dispatch(request, {
    onRequestStart: (started) => {
      controller = started;
      // It was stopped while it waited for a connection.
      if (stopped !== undefined) started.abort(stopped);
    },
    onResponseStart: (_, statusCode, received) => {
      status = statusCode;
      headers = received;
    },
    onResponseData: (receiving, chunk) => {
      size += chunk.byteLength;
      chunks.push(chunk);
      if (readOn(status, size)) return;
      answer(status, headers, new Uint8Array());
      // The connection goes with it: no more is read.
      receiving.abort(new Error('the rest of the answer is not wanted'));
    },
    onResponseEnd: () => answer(status, headers, chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
    onResponseError: (_, error) => {
      end();
      reject(error);
    },
  });
  return promise;
}
