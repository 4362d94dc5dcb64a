import { setTimeout as sleep } from 'node:timers/promises';
import type { ReconcileSchedule } from '../coordination/reconcile-schedule.ts';
import type { Logger } from '../observability/logger.ts';

export interface ReconcileRequests {
  /** Notes that something of this registry was missed; the workers are asked to look for it as soon as Redis answers. */
  note(registry: string): void;
  close(): Promise<void>;
}

export interface ReconcileRequestsOptions {
  readonly schedule: Pick<ReconcileSchedule, 'now' | 'want'>;
  readonly logger: Logger;
}

const pollMs = 1_000;

/**
 * What a receiver could not hand on while Redis was away, in memory: names of registries only, so that it stays small
 * however long that takes. A receiver that ends meanwhile forgets it; every worker asks for a run after an outage, too.
 */
export function createReconcileRequests({ schedule, logger }: ReconcileRequestsOptions): ReconcileRequests {
  const noted = new Set<string>();
  const stopping = new AbortController();
  const { signal } = stopping;

  async function passOn(): Promise<void> {
    for (const registry of noted) {
      // Before the request: a note that is made while it is under way needs one of its own.
      noted.delete(registry);
      try {
        await schedule.want(registry, await schedule.now());
        logger.warn({ registry }, 'pushes were not queued while Redis was away: the workers look for them');
      } catch {
        noted.add(registry);
        // Redis is still away, which its connection logs.
        return;
      }
    }
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      await passOn();
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  const looping = loop();
  return {
    note: (registry) => void noted.add(registry),
    close: async () => {
      stopping.abort();
      await looping;
    },
  };
}
