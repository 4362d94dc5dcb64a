import { createFirstSeenStore, type FirstSeenStore } from '../coordination/first-seen-store.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import type { Logger } from '../observability/logger.ts';
import type { Clock } from '../ports/clock.ts';
import type { FirstSeen } from '../ports/first-seen.ts';
import { type FirstSeenFile, openFirstSeenFile } from '../rules/first-seen-file.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { RuleSet } from '../rules/rule-set.ts';

interface FirstSeenOptions {
  readonly store: FirstSeenStore;
  readonly file: FirstSeenFile;
  readonly clock: Clock;
  /** Called when the file cannot be written; what it lacks is lost with Redis. */
  readonly onUnsaved: (error: unknown) => void;
}

export interface OpenFirstSeenOptions {
  readonly redis: RedisConnection;
  readonly prefix: string;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Redis and the state directory of a worker, together. */
export async function openFirstSeen({ stateDir, clock, logger, ...redis }: OpenFirstSeenOptions): Promise<FirstSeen> {
  return createFirstSeen({
    store: createFirstSeenStore(redis),
    file: await openFirstSeenFile(stateDir),
    clock,
    onUnsaved: (err) => logger.error({ err }, 'rules: when they were first seen cannot be kept'),
  });
}

/**
 * Keeps when rules were first seen in two places that are not lost together: Redis, where all processes find it, and a
 * file, from which a Redis that lost its data gets it back. The earlier time counts.
 */
export function createFirstSeen({ store, file, clock, onUnsaved }: FirstSeenOptions): FirstSeen {
  return {
    since: async (identity, registry) => {
      const kept = file.get(identity, registry);
      const seen = kept === undefined ? 'now' : 'kept';
      const earliest = await store.earliest(identity, registry, kept ?? clock.now(), seen);
      if (kept === undefined || earliest < kept) await file.set(identity, registry, earliest).catch(onUnsaved);
      return earliest;
    },
  };
}

/** Has every rule that leaves alone what stood before it seen for its registries, those with a complete baseline too. */
export function createRuleNoter(firstSeen: FirstSeen): (ruleSet: RuleSet) => Promise<void> {
  const noted = new Set<string>();
  return async (ruleSet) => {
    for (const rule of ruleSet.rules) {
      if (rule.state === 'off' || rule.existing !== 'ignore') continue;
      const identity = ruleIdentity(ruleSet, rule);
      for (const registry of rule.registries) {
        const key = `${identity}:${registry}`;
        if (noted.has(key)) continue;
        await firstSeen.since(identity, registry);
        noted.add(key);
      }
    }
  };
}
