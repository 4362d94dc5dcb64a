import { setTimeout as sleep } from 'node:timers/promises';
import { type AutosignError, isAutosignError } from './errors.ts';

/** How often and how long one request is tried again; times in milliseconds. */
export interface TryAgainLimits {
  /** Tries, the first one included. */
  readonly triesMax: number;
  /** Before the second try, doubling; half of it random. */
  readonly tryAgainAfterMs: number;
  /** No try begins later than this after the first. */
  readonly tryAgainWithinMs: number;
  /** The longest `Retry-After` that is waited for between two tries. */
  readonly retryAfterInsideMsMax: number;
}

interface TryAgainOptions {
  readonly limits: TryAgainLimits;
  /** Ends the waiting at once, and nothing is tried after it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `attempt` again while the registry is away, throttles or answers 5xx: a few times, after growing pauses, or
 * after what `Retry-After` asked for when that is short. What lasts longer belongs to the queue, where it holds no place.
 */
export async function tryAgain<T>(attempt: () => Promise<T>, { limits, signal }: TryAgainOptions): Promise<T> {
  // On a clock that nobody can put back.
  const startedAt = performance.now();
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!isAutosignError(error, 'registry-throttled', 'registry-unreachable') || tries >= limits.triesMax)
        throw error;
      const waitMs = waitBefore(error, tries, limits);
      if (waitMs === undefined) throw error;
      if (performance.now() - startedAt + waitMs > limits.tryAgainWithinMs) throw error;
      await pause(waitMs, signal);
    }
  }
}

/** Milliseconds until the next try; undefined when the registry asked for more than is waited for here. */
function waitBefore(
  { retryAfterMs = 0 }: AutosignError,
  tries: number,
  { tryAgainAfterMs, retryAfterInsideMsMax }: TryAgainLimits,
): number | undefined {
  if (retryAfterMs > retryAfterInsideMsMax) return undefined;
  // Half of each pause is random, so that what failed together does not come back together.
  const backoffMs = tryAgainAfterMs * 2 ** (tries - 1) * (0.5 + Math.random() * 0.5);
  return Math.max(backoffMs, retryAfterMs);
}

async function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
