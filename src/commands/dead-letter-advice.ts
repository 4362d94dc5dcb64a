import { nextStepOf } from '../domain/errors.ts';
import type { DeadLetterCode } from '../queue/dead-letters.ts';

/** What to do about a dead letter with this cause, in one sentence. */
export function nextStepForDeadLetter(code: DeadLetterCode): string {
  return code === 'unexpected' ? "Look for the job's id in the log of the workers, then retry." : nextStepOf(code);
}
