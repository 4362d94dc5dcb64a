/** Those whose calls share one limit, and the limit. */
export interface QuotaScope {
  /** `<account id>/<region>`: names it in Redis, metrics and messages. */
  readonly name: string;
  /** Calls in any second. */
  readonly perSecond: number;
  /** Calls from one midnight UTC to the next; undefined: as many as `perSecond` allows. */
  readonly perDay: number | undefined;
}

/** Live pushes are served before the others. */
export type QuotaLane = 'push' | 'backfill';

/**
 * What became of a place: its call has ended, whatever the answer; it was refused because there were too many; or it
 * was never sent.
 */
export type PlaceUse = 'ended' | 'throttled' | 'unused';

/** The right to make one call now. */
export interface QuotaPlace {
  /** Time passed before it was given, so that the caller looks at the tag again. */
  readonly waited: boolean;
  /** Says what became of it, at once when that is known: until then nobody else gets this place. The first word counts. */
  finish(use: PlaceUse): void;
}

/** The share of calls that the key service grants, shared by all workers. */
export interface Quota {
  /**
   * Waits for a place for one call.
   * @throws AutosignError `kms-quota-used` when the day's calls are used up, `kms-quota-kept` when what is left of them
   * is for the other lane, `redis-unreachable`
   */
  take(scope: QuotaScope, lane: QuotaLane): Promise<QuotaPlace>;
}

/** Lets every call pass. */
export const unlimitedQuota: Quota = {
  take: async () => ({ waited: false, finish: () => undefined }),
};
