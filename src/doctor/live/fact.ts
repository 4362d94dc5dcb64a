/** One thing that no documentation says, and what was seen of it. */
export interface Fact {
  /** For scripts and reports; stays the same from release to release. */
  readonly id: string;
  readonly question: string;
  readonly observed: string;
  /** What it was seen by; secrets, names and numbers of the account replaced. */
  readonly evidence: readonly string[];
}

export function fact(id: string, question: string, observed: string, evidence: readonly string[] = []): Fact {
  return { id, question, observed, evidence };
}

/** One step of the run. */
export interface Step {
  readonly step: string;
  readonly result: 'ok' | 'failed' | 'stopped';
  readonly detail: string;
}

/** What is printed at the end. */
export interface LiveReport {
  readonly steps: readonly Step[];
  readonly facts: readonly Fact[];
  /** What we made and could not take away again, each by its full name. */
  readonly left: readonly string[];
}
