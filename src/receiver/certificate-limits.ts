/** Every limit of getting EventBridge's certificates; times in milliseconds. */
export interface CertificateLimits {
  readonly bytesMax: number;
  /** From the request to the last byte. */
  readonly fetchTimeoutMs: number;
  /** How long a fetched certificate is used before it is fetched again. */
  readonly keptMs: number;
  readonly keptMax: number;
  /** How long an address that gave none is not asked again. */
  readonly failureKeptMs: number;
  /** Requests that this process sends in a minute, whatever deliveries ask for. */
  readonly fetchesPerMinuteMax: number;
  /** How long a pinned file is used before it is read again. */
  readonly pinnedKeptMs: number;
}

export const certificateLimits: CertificateLimits = {
  // A certificate has 1 or 2 kB, a chain some.
  bytesMax: 64 * 1024,
  // Public users of EventBridge report that it waits at least 5 s for a target; Redis needs one of them.
  fetchTimeoutMs: 3_000,
  // Names are dated, a new certificate has a new one; so this only bounds how long one is believed that was taken away.
  keptMs: 12 * 3_600_000,
  // One or two in each region that registries are in.
  keptMax: 16,
  // Long enough that a burst of deliveries asks once, short enough for the second try of EventBridge, after 1 to 20 s.
  failureKeptMs: 2_000,
  // Only callers that know a token of ours get this far; if it has leaked they could invent names of certificates.
  fetchesPerMinuteMax: 20,
  // A new file is taken over without a restart.
  pinnedKeptMs: 10_000,
};
