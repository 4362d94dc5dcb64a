import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import type { PlaceUse, QuotaPlace } from '../ports/quota.ts';

/** Sends the one call that the place is for, and says what became of the place as soon as it is known. */
export type QuotaCall = <T>(send: () => Promise<T>) => Promise<T>;

interface WithinQuotaOptions<T> {
  /** Undefined: no quota holds for the call. */
  readonly take: () => Promise<QuotaPlace | undefined>;
  /** Asked again after a wait. */
  readonly stillWanted: () => Promise<boolean>;
  readonly work: (call: QuotaCall) => Promise<T>;
}

// A throttled call takes another place, which is the slower way that KMS asks for; one that is throttled this often in
// a row is not a matter of our own speed any more, and pauses the key.
const attemptsMax = 4;

/**
 * Does work that holds one call to KMS within the quota. A throttled call slows all workers down and is sent again with
 * another place, unless KMS says for how long to wait. `moved` when the work is not wanted any more after a wait.
 * @throws what `work` throws; of several attempts, that KMS throttles
 */
export async function withinQuota<T>({ take, stillWanted, work }: WithinQuotaOptions<T>): Promise<T | 'moved'> {
  let throttled: AutosignError | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const place = await take();
    try {
      if (place?.waited && !(await stillWanted())) return 'moved';
      return await work(callWith(place));
    } catch (error) {
      // While this job tried, another one has paused the key; the reason is the same.
      if (throttled !== undefined && isAutosignError(error, 'key-paused')) throw throttled;
      if (!isAutosignError(error, 'kms-throttled') || place === undefined) throw error;
      if (attempt === attemptsMax || error.retryAfterMs !== undefined) throw error;
      throttled = error;
    } finally {
      place?.finish('unused');
    }
  }
}

function callWith(place: QuotaPlace | undefined): QuotaCall {
  return async (send) => {
    let use: PlaceUse = 'ended';
    try {
      return await send();
    } catch (error) {
      if (isAutosignError(error, 'kms-throttled')) use = 'throttled';
      if (isAutosignError(error, 'key-paused')) use = 'unused';
      throw error;
    } finally {
      place?.finish(use);
    }
  };
}
