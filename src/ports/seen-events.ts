/** Events whose push is queued, kept for a while, so that a repeated delivery causes no work. */
export interface SeenEvents {
  /** @throws AutosignError `redis-unreachable` */
  has(event: string): Promise<boolean>;
  /**
   * To be called only when the push is queued: what is remembered is not queued again.
   * @throws AutosignError `redis-unreachable`
   */
  remember(event: string): Promise<void>;
}
