/** When rules were first seen, kept so that it outlives a loss of Redis. */
export interface FirstSeen {
  /**
   * When this rule was first seen for this registry: the earliest time that is known, which is now for a rule that
   * nobody has seen.
   * @throws AutosignError `redis-unreachable`
   */
  since(ruleIdentity: string, registry: string): Promise<Date>;
}
