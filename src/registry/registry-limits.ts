import type { TryAgainLimits } from '../domain/try-again.ts';

const mebibyte = 1024 * 1024;

/** Every limit of the registry client; times in milliseconds, sizes in bytes. */
export interface RegistryLimits extends TryAgainLimits {
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectionsMax: number;
  readonly manifestBytesMax: number;
  readonly listBytesMax: number;
  readonly tokenBytesMax: number;
  readonly errorBytesMax: number;
  readonly listPageSize: number;
  readonly listPagesMax: number;
  readonly listNamesMax: number;
  readonly referrersPagesMax: number;
  readonly referrersMax: number;
  readonly redirectsMax: number;
  readonly retryAfterMsMax: number;
  readonly tokenLifetimeDefaultMs: number;
  readonly tokenMarginMs: number;
  readonly tokensMax: number;
}

export const registryLimits: RegistryLimits = {
  // Registry and worker usually share a region; a host that does not answer in 5 s is down, not far.
  connectTimeoutMs: 5_000,
  // Registries write to object storage before they answer a PUT, which can take seconds.
  headersTimeoutMs: 30_000,
  // Between two pieces of a body: nothing we read is large, so a pause of 15 s is a stalled peer.
  bodyTimeoutMs: 15_000,
  // From queueing to the last byte: a peer that sends one byte now and then must not hold a worker.
  requestTimeoutMs: 60_000,
  // A host at once: more than the jobs one worker process runs side by side, less than a registry would mind.
  connectionsMax: 32,
  // distribution-spec, "Pushing Manifests": registries should take at least 4 MiB; clients need not take more.
  manifestBytesMax: 4 * mebibyte,
  // Older registries list all tags in one page: room for some 30,000 of them. Referrers lists are held to the same.
  listBytesMax: 4 * mebibyte,
  // Tokens are a few kilobytes; more would not fit into a header again.
  tokenBytesMax: 64 * 1024,
  // Enough for the error codes of a registry; the rest of an error page is of no use.
  errorBytesMax: 16 * 1024,
  // The most that docker-registry takes; it answers 400 above.
  listPageSize: 1_000,
  // A million names is a list that does not end; they are kept to find repetitions.
  listNamesMax: 1_000_000,
  // Likewise, also where a registry gives out a tenth of what it is asked for.
  listPagesMax: 1_000,
  referrersPagesMax: 100,
  // notation stops looking after 100 signatures; an image with 2,000 referrers is being flooded.
  referrersMax: 2_000,
  // Registry to object storage is one; a moved bucket or a mirror adds one or two.
  redirectsMax: 3,
  // Of one request: the second is for a connection that was cut, the third for a registry that restarts behind its
  // load balancer. The queue tries the whole job again after that.
  triesMax: 3,
  // Before the second try, doubling; half of it random.
  tryAgainAfterMs: 250,
  // No try begins later than this after the first: a job that waits longer does so in the queue, where it holds no place.
  tryAgainWithinMs: 20_000,
  // The longest `Retry-After` that is waited for between two tries, for the same reason.
  retryAfterInsideMsMax: 5_000,
  // A registry must not be able to put a job to sleep for days.
  retryAfterMsMax: 10 * 60_000,
  // Docker Registry v2 token specification: 60 seconds when the answer does not say.
  tokenLifetimeDefaultMs: 60_000,
  // A token must outlive the request it is sent with, and clocks differ a little.
  tokenMarginMs: 10_000,
  // One per repository and kind of access; the oldest goes first.
  tokensMax: 1_000,
};
