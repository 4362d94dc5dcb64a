import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpProxy, RecordedRequest } from './http-proxy.ts';

const pollMs = 5;
const timeoutMs = 30_000;

/** Resolved when the proxy has seen a request of this method, and whose path fits when a pattern is given. */
export async function untilRequested(proxy: HttpProxy, method: string, path = /^/): Promise<RecordedRequest> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const request = proxy.requests.find((seen) => seen.method === method && path.test(seen.path));
    if (request !== undefined) return request;
    if (Date.now() > giveUpAt) throw new Error(`no ${method} ${path} at ${proxy.host} within ${timeoutMs} ms`);
    await sleep(pollMs);
  }
}
