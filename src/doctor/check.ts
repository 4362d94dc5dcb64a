import { isAutosignError, nextStepOf } from '../domain/errors.ts';

/** The links of the chain, in the order in which a failure of one explains those of the next. */
export type Area = 'clock' | 'credentials' | 'role' | 'key' | 'certificate' | 'redis' | 'registry' | 'events';

export type Result = 'ok' | 'warning' | 'failure';

/** What was found out about one link. */
export interface Finding {
  readonly area: Area;
  /** What was looked at: the name of a key, a registry, a host. */
  readonly subject: string;
  readonly result: Result;
  /** What was seen. */
  readonly detail: string;
  /** What to do; there is one wherever something is not in order. */
  readonly next?: string;
}

/** One look at one link; it may find several things. */
export interface Check {
  readonly area: Area;
  readonly subject: string;
  readonly run: () => Promise<readonly Verdict[]>;
}

export type Verdict = Omit<Finding, 'area' | 'subject'>;

export function ok(detail: string): Verdict {
  return { result: 'ok', detail };
}

export function warning(detail: string, next: string): Verdict {
  return { result: 'warning', detail, next };
}

export function failure(detail: string, next: string): Verdict {
  return { result: 'failure', detail, next };
}

/**
 * Runs one check after the other, so that the table tells of causes before their effects. A check that throws has found
 * a failure; what is unexpected is one, too, because a doctor that gives up tells of nothing that follows.
 */
export async function runChecks(checks: readonly Check[], tell: (finding: Finding) => void): Promise<void> {
  for (const { area, subject, run } of checks) {
    const verdicts = await run().catch((error: unknown) => [failureOf(error)]);
    for (const verdict of verdicts) tell({ area, subject, ...verdict });
  }
}

export function failureOf(error: unknown): Verdict {
  if (isAutosignError(error)) return failure(error.message, nextStepOf(error.code));
  const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return failure(`unexpected: ${name}`, 'This is a defect of this command: report it with the text above.');
}
