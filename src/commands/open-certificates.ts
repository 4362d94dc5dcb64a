import { Agent } from 'undici';
import { version } from '../domain/version.ts';
import { systemClock as clock } from '../ports/clock.ts';
import { type CertificateKeys, createCertificateKeys } from '../receiver/certificate-keys.ts';
import { certificateLimits as limits } from '../receiver/certificate-limits.ts';
import { createCertificateFetch } from '../receiver/fetch-certificate.ts';
import { createPinnedKeys, type PinnedKeys } from '../receiver/pinned-keys.ts';

interface OpenCertificates {
  readonly keys: CertificateKeys;
  readonly pinnedKeys: PinnedKeys;
  close(): Promise<void>;
}

/** Where the keys of EventBridge come from; nothing is asked for until a delivery needs it. */
export function openCertificates(): OpenCertificates {
  const agent = new Agent({
    // Said outright, because NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise turn the check of certificates off: what is
    // fetched here is believed because of the host that it comes from.
    connect: { timeout: limits.fetchTimeoutMs, rejectUnauthorized: true },
    connections: 2,
    allowH2: false,
  });
  const fetchCertificate = createCertificateFetch({ agent, userAgent: `acr-autosign/${version}`, limits });
  return {
    keys: createCertificateKeys({ fetchCertificate, clock, limits }),
    pinnedKeys: createPinnedKeys({ clock, keptMs: limits.pinnedKeptMs }),
    close: () => agent.destroy(),
  };
}
