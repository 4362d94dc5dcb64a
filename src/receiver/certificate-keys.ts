import type { KeyObject } from 'node:crypto';
import type { Clock } from '../ports/clock.ts';
import type { CertificateLimits } from './certificate-limits.ts';
import { readPublicKeys } from './read-public-keys.ts';

/** Gets the text behind the URL of a certificate. @throws Error */
export type FetchCertificate = (url: URL) => Promise<string>;

/** The keys of certificates by their URL. */
export interface CertificateKeys {
  /** @throws Error that says why there is no key now */
  get(url: URL): Promise<KeyObject>;
}

export interface CertificateKeysOptions {
  readonly fetchCertificate: FetchCertificate;
  readonly clock: Clock;
  readonly limits: CertificateLimits;
}

interface Kept {
  readonly key: Promise<KeyObject>;
  /** In milliseconds; endless while it is being fetched, so that all who come meanwhile wait for the same answer. */
  until: number;
}

/**
 * Fetches each certificate once and keeps its key for a while.
 * @param options `fetchCertificate` gets URLs of `readCertificateUrl` only
 */
export function createCertificateKeys({ fetchCertificate, clock, limits }: CertificateKeysOptions): CertificateKeys {
  const kept = new Map<string, Kept>();
  let fetchedAt: readonly number[] = [];
  const now = () => clock.now().getTime();

  function takePlace(): void {
    fetchedAt = fetchedAt.filter((time) => now() - time < 60_000);
    if (fetchedAt.length >= limits.fetchesPerMinuteMax)
      throw new Error('too many certificates were fetched this minute');
    fetchedAt = [...fetchedAt, now()];
  }

  function load(url: URL): Promise<KeyObject> {
    takePlace();
    // The certificate comes first; others that follow are of whoever issued it.
    const key = fetchCertificate(url).then((text) => readPublicKeys(text)[0]);
    const entry: Kept = { key, until: Number.POSITIVE_INFINITY };
    kept.delete(url.href);
    kept.set(url.href, entry);
    key.then(
      () => {
        entry.until = now() + limits.keptMs;
      },
      () => {
        entry.until = now() + limits.failureKeptMs;
      },
    );
    const [oldest] = kept.keys();
    if (kept.size > limits.keptMax && oldest !== undefined) kept.delete(oldest);
    return key;
  }

  return {
    get: async (url) => {
      const found = kept.get(url.href);
      return found !== undefined && now() < found.until ? found.key : load(url);
    },
  };
}
