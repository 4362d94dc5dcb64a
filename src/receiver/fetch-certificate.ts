import type { Dispatcher } from 'undici';
import { exchangeHttp } from '../registry/http-exchange.ts';
import type { FetchCertificate } from './certificate-keys.ts';
import type { CertificateLimits } from './certificate-limits.ts';

interface FetchOptions {
  /** Must check TLS certificates; follows no redirects by itself. */
  readonly agent: Dispatcher;
  readonly userAgent: string;
  readonly limits: Pick<CertificateLimits, 'bytesMax' | 'fetchTimeoutMs'>;
}

/** Fetches certificates without any credential; an answer other than 200, a redirect too, is an error. */
export function createCertificateFetch({ agent, userAgent, limits }: FetchOptions): FetchCertificate {
  return async (url) => {
    const { status, bytes } = await exchangeHttp({
      agent,
      request: { origin: url.origin, path: url.pathname, method: 'GET', headers: { 'user-agent': userAgent } },
      timeoutMs: limits.fetchTimeoutMs,
      readOn: (answered, size) => {
        if (answered !== 200) return false;
        if (size > limits.bytesMax) throw new Error(`the certificate has more than ${limits.bytesMax} bytes`);
        return true;
      },
    });
    if (status !== 200) throw new Error(`the host of the certificate answered ${status}`);
    return Buffer.from(bytes).toString('utf8');
  };
}
