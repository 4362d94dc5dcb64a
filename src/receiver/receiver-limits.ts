/** Every limit of the receiver. */
export interface ReceiverLimits {
  readonly bodyBytesMax: number;
  /** How long a caller may take to send a request, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept for the next request, in milliseconds. */
  readonly keepAliveTimeoutMs: number;
  /** Wrong tokens that one address may send in a minute before it gets 429. */
  readonly wrongTokensPerMinuteMax: number;
  /** Addresses whose wrong tokens are remembered; the one seen longest ago is forgotten first. */
  readonly wrongCallersMax: number;
  /** What `Retry-After` says when Redis has not confirmed, in seconds. */
  readonly retryAfterSeconds: number;
}

export const receiverLimits: ReceiverLimits = {
  // ACR's body is below 1 kB.
  bodyBytesMax: 64 * 1024,
  // A body this small needs one packet or a few; a caller who trickles it wants our sockets.
  requestTimeoutMs: 10_000,
  // Below the 60 s after which common load balancers drop an idle connection themselves would race with them; ACR
  // sends single requests, so a short time frees sockets.
  keepAliveTimeoutMs: 5_000,
  // A person who pastes a wrong URL needs a few; guessing 256 bits needs all there are.
  wrongTokensPerMinuteMax: 20,
  // About 100 bytes each.
  wrongCallersMax: 10_000,
  // A restart or failover of Redis takes a few seconds.
  retryAfterSeconds: 5,
};
