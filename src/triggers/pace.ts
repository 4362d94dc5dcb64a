import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the next call may begin. @throws the reason of the signal once it is aborted */
export type Pace = () => Promise<void>;

/** Lets calls begin at even distances, however many callers there are. */
export function createPace(perSecondMax: number, signal: AbortSignal): Pace {
  const distanceMs = 1_000 / perSecondMax;
  let nextAt = 0;
  return async () => {
    const now = performance.now();
    const at = Math.max(now, nextAt);
    nextAt = at + distanceMs;
    if (at > now) await sleep(at - now, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  };
}
