import type { TryAgainLimits } from '../domain/try-again.ts';

/** Every limit on calls to Container Registry's OpenAPI; times in milliseconds. */
export interface AcrLimits extends TryAgainLimits {
  /** Until the connection stands. */
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the answer. */
  readonly readTimeoutMs: number;
  /** Entries asked for at once. */
  readonly pageSize: number;
  /** Pages of one list. */
  readonly pagesMax: number;
  /** How often one list is begun anew because entries went away while it was read. */
  readonly restartsMax: number;
}

export const acrLimits: AcrLimits = {
  // The worker usually shares a region with the registry; a service that does not answer in 5 s is down, not far.
  connectTimeoutMs: 5_000,
  // A page of 100 repositories of a large instance takes seconds.
  readTimeoutMs: 15_000,
  // The most that ListRepository and ListRepoTag give out.
  pageSize: 100,
  // A hundred thousand tags of one repository is a list that does not end.
  pagesMax: 1_000,
  // Clean-up rules delete many tags at once, and not for ever.
  restartsMax: 5,
  // As for requests to the registry itself: what lasts longer belongs to the queue, or to the next walk.
  triesMax: 3,
  tryAgainAfterMs: 500,
  tryAgainWithinMs: 20_000,
  retryAfterInsideMsMax: 5_000,
};
