import { isAutosignError } from '../domain/errors.ts';

const firstMs = 1_000;
// Half of each delay is random, so that what failed together does not come back together.
const randomPart = 0.5;
// What asked for a time to wait gets a little more: those it sent away together come back one after the other.
const randomPartAfterAsked = 0.1;

/**
 * How long a job waits before its next attempt, in milliseconds: from one second, doubling, or as long as the other
 * side asked for (`Retry-After`) when that is longer.
 * @param attemptsMade how many attempts have failed, at least 1
 */
export function retryDelayMs(attemptsMade: number, error: unknown): number {
  const longestMs = firstMs * 2 ** (attemptsMade - 1);
  const delayMs = longestMs * (1 - randomPart * Math.random());
  const asked = isAutosignError(error) ? (error.retryAfterMs ?? 0) : 0;
  return Math.round(Math.max(delayMs, asked * (1 + randomPartAfterAsked * Math.random())));
}
