import { setTimeout as sleep } from 'node:timers/promises';
import { type ReconcileOptions, type ReconcileResult, reconcileRegistry } from '../backfill/reconcile.ts';
import type { Lease, Leases } from '../coordination/lease.ts';
import type { ReconcileSchedule, RedisTime } from '../coordination/reconcile-schedule.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { BackfillLane } from '../queue/backfill-lane.ts';
import type { DeadLetters } from '../queue/dead-letters.ts';
import { readDeadLettersByImage } from '../queue/dead-letters-by-image.ts';
import { hearOfReturns } from '../queue/redis-returns.ts';
import type { Desired } from '../worker/desired.ts';
import { restAfter } from './reconcile-rest.ts';

export interface ReconcileLoopOptions
  extends Pick<ReconcileOptions, 'baseline' | 'marks' | 'formats' | 'clock' | 'logger'> {
  readonly desired: () => Desired;
  /** The connection whose outages are heard of. */
  readonly redis: RedisConnection;
  readonly schedule: ReconcileSchedule;
  readonly leases: Leases;
  readonly lane: BackfillLane;
  readonly deadLetters: Pick<DeadLetters, 'list' | 'remove'>;
  /** Rest after a run that looked at everything, in milliseconds. */
  readonly intervalMs: number;
  /** Told of each registry that was compared from one end to the other. */
  readonly onFinished?: ((registry: string, result: ReconcileResult) => void) | undefined;
}

export interface ReconcileLoop {
  /** Ends what runs and lets go of it, so that another process may begin anew. */
  close(): Promise<void>;
}

const pollMs = 1_000;
const tagsAtOnce = 8;
// Every process asks for a run after an outage, and all are back within about a second (see connection.ts). Those who
// ask later than the first run began, for a moment before it, are served by it.
const gatherMs = 2_000;

/**
 * Keeps the registries as the rules demand while the service runs. Of all processes of a deployment one at a time
 * compares a registry: at the start, when the interval since the last run is over, when Redis was away or lost its
 * data, when somebody asked, and when other rules are in force.
 */
export function startReconcileLoop(options: ReconcileLoopOptions): ReconcileLoop {
  const { redis, schedule, desired, logger } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = new Map<string, Promise<void>>();
  const failures: Failures = { inARow: new Map(), notBefore: new Map() };
  /** When this process found Redis there, for which no run has been asked for yet. */
  let foundAt: Promise<RedisTime | undefined> | undefined;
  let heardAt = 0;

  const onReturn = () => {
    heardAt = performance.now();
    failures.notBefore.clear();
    foundAt = timeOfRedis();
  };
  // Undefined when it has gone again or answers late.
  const timeOfRedis = () => schedule.now().catch(() => undefined);
  const stopHearing = hearOfReturns(redis, onReturn);

  async function askAfterOutage(): Promise<void> {
    if (foundAt === undefined || performance.now() - heardAt < gatherMs) return;
    const asking = foundAt;
    const since = await asking;
    if (foundAt !== asking) return;
    if (since !== undefined) for (const name of registriesToWalk(desired())) await schedule.want(name, since);
    // A wish that cannot be noted yet is not forgotten: a server that is overrun after an outage may answer the next
    // time, and of a cluster the part that holds the schedule may be away longer than the part that has returned.
    if (foundAt === asking) foundAt = since === undefined ? timeOfRedis() : undefined;
  }

  async function startWhatIsDue(): Promise<void> {
    const state = desired();
    for (const name of registriesToWalk(state)) {
      if (running.has(name) || performance.now() < (failures.notBefore.get(name) ?? 0)) continue;
      if (!(await schedule.isDue(name, state.ruleSet.hash))) continue;
      const lease = await options.leases.take(`reconcile:${name}`);
      if (lease === undefined) continue;
      const run = runLeased(name, { state, lease, failures, signal }, options);
      running.set(
        name,
        run.finally(() => running.delete(name)),
      );
    }
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      try {
        await askAfterOutage();
        await startWhatIsDue();
      } catch (error) {
        // Redis is away; what was missed meanwhile is found by the run that follows.
        if (!signal.aborted) logger.debug({ err: error }, 'reconcile: cannot be looked after now');
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  const looping = loop();
  return {
    close: async () => {
      stopHearing();
      stopping.abort();
      await looping;
      await Promise.all(running.values());
    },
  };
}

/** What this process remembers of runs that did not look at everything, by registry. */
interface Failures {
  readonly inARow: Map<string, number>;
  /** For those that nobody else can know of, on the clock of `performance`. */
  readonly notBefore: Map<string, number>;
}

interface LeasedRun {
  readonly state: Desired;
  readonly lease: Lease;
  readonly failures: Failures;
  readonly signal: AbortSignal;
}

/** One run under its lease. Never rejected: what fails is logged and tried again. */
async function runLeased(name: string, leased: LeasedRun, options: ReconcileLoopOptions): Promise<void> {
  const { lease, failures } = leased;
  const signal = AbortSignal.any([leased.signal, lease.signal]);
  try {
    await run(name, { ...leased, signal }, options);
  } catch (error) {
    if (leased.signal.aborted) return;
    const why: unknown = lease.signal.aborted ? lease.signal.reason : error;
    // What was added may be lost with the lease, so that is made good at once; all else is not worth hurrying.
    const restMs = isAutosignError(why, 'lock-lost')
      ? 0
      : restAfter({ inARow: countFailure(failures, name), ...options });
    failures.notBefore.set(name, performance.now() + restMs);
    options.logger.warn({ registry: name, err: why, restMs }, 'reconcile: broken off, begins anew');
  } finally {
    await lease.release();
  }
}

async function run(
  name: string,
  { state, lease, failures, signal }: LeasedRun,
  options: ReconcileLoopOptions,
): Promise<void> {
  const { schedule, logger, lane, onFinished } = options;
  const { ruleSet, keyRing, registries } = state;
  const access = registries.get(name);
  if (access === undefined) return;
  const startedAt = await schedule.now();
  const ended = await compare({
    ...options,
    access,
    ruleSet,
    keyRing,
    concurrency: tagsAtOnce,
    signal,
    add: (job) => lane.add(job, signal),
    deadLetters: await readDeadLettersByImage(options.deadLetters, name),
  });
  const whole = 'counts' in ended && ended.counts.failed + ended.counts.waiting === 0;
  if (whole) failures.inARow.delete(name);
  const inARow = whole ? 0 : countFailure(failures, name);
  const entry = { startedAt, finishedAt: await schedule.now(), ...ended };
  const restMs = restAfter({ inARow, intervalMs: options.intervalMs });
  const entered = await schedule.finish(lease, { registry: name, rulesHash: ruleSet.hash, run: entry, restMs });
  if (!entered) throw new AutosignError('lock-lost', 'Redis has lost its data, or another process has taken over.');
  if ('counts' in ended) {
    logger.info({ registry: name, ...ended.counts, restMs }, 'reconcile: the registry was compared with the rules');
    onFinished?.(name, ended.counts);
  } else logger.error({ registry: name, reason: ended.error, restMs }, 'reconcile: the registry cannot be walked');
}

function countFailure({ inARow }: Failures, name: string): number {
  const count = (inARow.get(name) ?? 0) + 1;
  inARow.set(name, count);
  return count;
}

type Ended = { readonly counts: ReconcileResult } | { readonly error: string };

/** What the walk found, or why the registry could not be walked. @throws what is no matter of the registry */
async function compare(options: ReconcileOptions): Promise<Ended> {
  try {
    return { counts: await reconcileRegistry(options) };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isAutosignError(error) || error.scope === 'process') throw error;
    return { error: error.message };
  }
}

/** The registries that a rule in state `sign` names. */
export function registriesToWalk({ ruleSet }: Pick<Desired, 'ruleSet'>): readonly string[] {
  return [...new Set(ruleSet.rules.filter((rule) => rule.state === 'sign').flatMap((rule) => rule.registries))];
}
