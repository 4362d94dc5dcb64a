/** Mutual exclusion of all workers of one deployment over one name. */
export interface SubjectLock {
  /**
   * Runs `work` while holding the lock of `name`. The signal is aborted at a deadline below the lease, so that
   * nothing `work` sends can begin after somebody else holds the lock. `assertHeld` says the same by the clock: a
   * process that was frozen gets the answer to its last request before its timers run, so it is called right before
   * what must not happen late.
   * @throws AutosignError `lock-lost` when the lock was not had in time or the deadline passed
   */
  hold<T>(name: string, work: (signal: AbortSignal, assertHeld: () => void) => Promise<T>): Promise<T>;
}
