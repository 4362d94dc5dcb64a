import type { Redis } from 'ioredis';
import type { Logger } from '../observability/logger.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { createJobCounts } from '../queue/job-counts.ts';
import { deadLettersMax } from '../queue/job-options.ts';
import type { Desired } from '../worker/desired.ts';
import type { Pauses } from '../worker/pauses.ts';

export interface OpenMetricsOptions {
  readonly redis: Redis;
  readonly prefix: string;
  readonly desired: () => Desired;
  readonly pauses: Pick<Pauses, 'list'>;
  readonly logger: Logger;
}

export interface OpenMetrics {
  readonly metrics: Metrics;
  close(): Promise<void>;
}

// Well below the ten seconds that Prometheus waits for a scrape.
const countTimeoutMs = 2_000;
// Often enough for an alarm that asks for an operator's hand.
const alarmMs = 60_000;
// There is time to handle some before the oldest go.
const alarmFrom = 0.9 * deadLettersMax;

/** The metrics of a worker, and the alarm before its dead letters overflow. */
export function openMetrics({ redis, prefix, desired, pauses, logger }: OpenMetricsOptions): OpenMetrics {
  const counts = createJobCounts({ redis, prefix, timeoutMs: countTimeoutMs });
  const metrics = createMetrics({
    isRegistry: (name) => desired().registries.has(name),
    jobCounts: counts.read,
    paused: () => [...pausedKeys(desired()), ...pauses.list()],
  });
  const alarm = setInterval(async () => {
    // Without Redis there is nothing to count, and its absence has alarms of its own.
    const { failed = 0 } = await counts.read().catch(() => ({ failed: 0 }));
    if (failed < alarmFrom) return;
    const fields = { deadLetters: failed, most: deadLettersMax, nextStep: 'See "autosign dead list".' };
    logger.error(fields, 'dead letters are about to overflow, then the oldest are lost');
  }, alarmMs);
  return {
    metrics,
    close: async () => {
      clearInterval(alarm);
      await counts.close();
    },
  };
}

function pausedKeys({ ruleSet, keyRing }: Desired) {
  const used = new Set(ruleSet.rules.filter((rule) => rule.state !== 'off').map((rule) => rule.key));
  const paused = [...used].filter((name) => keyRing.get(name).state === 'paused');
  return paused.map((name) => ({ scope: 'key', name }));
}
