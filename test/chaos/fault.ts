/** What a proxy is asked about before it forwards a request. */
export interface ProxiedRequest {
  /** The first request after the proxy's start, or after its last `forget`, is 1. */
  readonly index: number;
  readonly method: string;
  /** Path with its query, as received. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** What goes wrong with one request. */
export type Fault =
  /** It is late: on its way to the target, or on its way back. Nothing else is wrong. */
  | { readonly kind: 'delay'; readonly beforeRequestMs?: number; readonly beforeAnswerMs?: number }
  /**
   * The connection is cut: before anything is answered, in the middle of the headers, or after so many bytes of the
   * body. With `at: 'headers'` and `'body'` the target has done its work; with `'request'` only when `afterTarget`.
   */
  | { readonly kind: 'cut'; readonly at: 'request' | 'headers'; readonly afterTarget?: boolean }
  | { readonly kind: 'cut'; readonly at: 'body'; readonly afterBytes: number }
  /** This is answered in place of what the target says; the target is not asked, or its answer is dropped. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
      readonly afterTarget?: boolean;
    }
  /** The target's body with other bytes: its length is declared anew, so that only its content is wrong. */
  | { readonly kind: 'rewrite'; readonly body: (body: Uint8Array) => Uint8Array }
  /** Calls `call` when the target has answered and before the client hears of it, then passes the answer on. */
  | { readonly kind: 'answered'; readonly call: () => void | Promise<void> };

/** Decides on each request; undefined passes it on unharmed. What it awaits holds the request back. */
export type FaultPolicy = (request: ProxiedRequest) => Fault | undefined | Promise<Fault | undefined>;

/** Another content of the same length: the first byte is changed. */
export const corrupted: Fault = {
  kind: 'rewrite',
  body: (body) => {
    const changed = Uint8Array.from(body);
    changed[0] = (changed[0] ?? 0) ^ 1;
    return changed;
  },
};

/** A body that ends early although its headers say that it is whole. */
export function truncatedTo(bytes: number): Fault {
  return { kind: 'rewrite', body: (body) => body.subarray(0, bytes) };
}

/** Too many requests; come back in so many seconds. */
export function throttled(retryAfterSeconds: number): Fault {
  return {
    kind: 'answer',
    status: 429,
    headers: { 'retry-after': String(retryAfterSeconds), 'content-type': 'application/json' },
    body: JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'too many requests' }] }),
  };
}

/** The fault for every n-th request, beginning with the n-th; the others pass. */
export function everyNth(n: number, fault: Fault): FaultPolicy {
  return ({ index }) => (index % n === 0 ? fault : undefined);
}
