import type { RedisConnection } from '../coordination/redis-connection.ts';
import type { Format } from '../domain/algorithm.ts';
import type { Logger } from '../observability/logger.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import type { Clock } from '../ports/clock.ts';
import { deadLettersMax } from '../queue/job-options.ts';
import { createQueueDepths } from '../queue/queue-depth.ts';
import type { QueueSet } from '../queue/queue-set.ts';
import type { Desired } from '../worker/desired.ts';
import type { Pauses } from '../worker/pauses.ts';

export interface OpenMetricsOptions {
  readonly redis: RedisConnection;
  readonly queues: QueueSet;
  /** Undefined until the rules are loaded. */
  readonly desired: () => Desired | undefined;
  /** When the ClientKeys that were opened end. */
  readonly clientKeys: () => readonly { readonly key: string; readonly notAfter: Date }[];
  readonly pauses: Pick<Pauses, 'list'>;
  readonly clock: Clock;
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
export function openMetrics(options: OpenMetricsOptions): OpenMetrics {
  const { redis, queues, desired, clientKeys, pauses, clock, logger } = options;
  const depths = createQueueDepths({ redis, queues, timeoutMs: countTimeoutMs });
  const metrics = createMetrics({
    isRegistry: (name) => desired()?.registries.has(name) === true,
    queueDepth: depths.read,
    paused: () => [...pausedKeys(desired()), ...pauses.list()],
    certificates: () => certificatesOf(desired()),
    clientKeys: () => {
      const inUse = new Set(keysInUse(desired()).map(({ name }) => name));
      return clientKeys().filter(({ key }) => inUse.has(key));
    },
    now: () => clock.now(),
  });
  const alarm = setInterval(async () => {
    // Without Redis there is nothing to count, and its absence has alarms of its own.
    const { deadLetters } = await depths.read().catch(() => ({ deadLetters: 0 }));
    if (deadLetters < alarmFrom) return;
    const fields = { deadLetters, most: deadLettersMax, nextStep: 'See "autosign dead list".' };
    logger.error(fields, 'dead letters are about to overflow, then the oldest are lost');
  }, alarmMs);
  return {
    metrics,
    close: async () => {
      clearInterval(alarm);
      await depths.close();
    },
  };
}

function pausedKeys(desired: Desired | undefined) {
  return keysInUse(desired).flatMap(({ name, state }) => (state.state === 'paused' ? [{ scope: 'key', name }] : []));
}

function certificatesOf(desired: Desired | undefined) {
  return keysInUse(desired, 'notation').flatMap(({ name, state }) => {
    const notAfter = state.state === 'paused' ? state.notAfter : state.signingKey.trust.versions[0].notAfter;
    return notAfter === undefined ? [] : [{ key: name, notAfter }];
  });
}

/** Absent format: whatever the rules demand of a key. */
function keysInUse(desired: Desired | undefined, format?: Format) {
  const rules = desired?.ruleSet.rules.filter((rule) => rule.state !== 'off') ?? [];
  return [...new Set(rules.map((rule) => rule.key))].flatMap((name) => {
    const state = desired?.keyRing.get(name, format);
    return state === undefined ? [] : [{ name, state }];
  });
}
