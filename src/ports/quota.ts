/** The share of calls a second that the key service grants, shared by all workers. */
export interface Quota {
  /** Waits for a place for one call; `waited` tells whether time passed, so that the caller looks at the tag again. */
  take(scope: string): Promise<{ readonly waited: boolean }>;
}

/** Lets every call pass. */
export const unlimitedQuota: Quota = {
  take: async () => ({ waited: false }),
};
