import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import { createLeases } from '../coordination/lease.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createRestStore } from '../coordination/rest-store.ts';
import type { Clock } from '../ports/clock.ts';
import { openTriggerApi } from './open-triggers.ts';
import { startTriggerLoop, type TriggerLoop, type TriggerLoopOptions } from './trigger-loop.ts';
import { readTriggerUrl } from './webhook-token.ts';

// As for a reconcile: a process that dies is replaced within ten seconds.
const leaseTimes = { leaseMs: 10_000, renewMs: 2_000 };

export type OpenTriggerLoopOptions = Pick<TriggerLoopOptions, 'rules' | 'intervalMs' | 'logger' | 'onSynced'> & {
  readonly redis: RedisConnection;
  /** Of what is not spread over the queues: leases and rests. */
  readonly prefix: string;
  /** The process's own identity. */
  readonly base: CredentialsSource;
  readonly clock: Clock;
  /** Where tokens are that the rules name. */
  readonly env: NodeJS.ProcessEnv;
};

/** The look after triggers of a worker, on the connection of its stores. */
export function openTriggerLoop({ redis, prefix, base, clock, env, ...options }: OpenTriggerLoopOptions): TriggerLoop {
  return startTriggerLoop({
    ...options,
    openApi: (registry) => openTriggerApi(registry, { base, clock }),
    urlOf: (registry) => readTriggerUrl(registry, env),
    leases: createLeases({ redis, prefix, ...leaseTimes }),
    rests: createRestStore({ redis, prefix }),
  });
}
