import { join } from 'node:path';
import { createBaseCredentials } from '../alibaba/base-credentials.ts';
import type { CredentialsSource } from '../alibaba/sts-credentials.ts';
import { createBaselineStore } from '../coordination/baseline-store.ts';
import { createPushMarks } from '../coordination/push-marks.ts';
import type { RedisConnection } from '../coordination/redis-connection.ts';
import { createRedisLock } from '../coordination/redis-lock.ts';
import { builtFormats } from '../formats/built-formats.ts';
import { openAuditLog } from '../observability/audit.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { systemClock } from '../ports/clock.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { openRuleSource, type RuleSource } from '../rules/rule-source.ts';
import type { Desired } from '../worker/desired.ts';
import { withPauses } from '../worker/paused-keys.ts';
import { createPauses, type Pauses } from '../worker/pauses.ts';
import { startBaselineLoop } from './baseline-loop.ts';
import { createDesiredState, type DesiredState } from './desired-state.ts';
import { openFirstSeen } from './first-seen.ts';
import { openAdmin, prepareDashboard } from './open-admin.ts';
import { type ClientKeyEnd, createInstanceKeys } from './open-instance-keys.ts';
import { createKeyOpener, type KeyOpener, timeouts } from './open-keys.ts';
import { openMetrics } from './open-metrics.ts';
import { openQueues } from './open-queues.ts';
import { openReconcile } from './open-reconcile.ts';
import { openTriggerLoop } from './open-trigger-loop.ts';
import { openWorkers } from './open-workers.ts';
import { redisErrorLog } from './redis-error-log.ts';
import { type Running, runUntilSignal } from './run-until-signal.ts';
import { readServiceSettings, type ServiceSettings } from './settings.ts';

/** A worker that takes jobs. */
export interface RunningWork extends Running {
  /** `http://HOST:PORT` of its health. */
  readonly adminUrl: string;
}

// Longer than a signature takes with every request at its limit; a holder gives up five seconds before Redis does.
const lockTimes = { leaseMs: 30_000, deadlineMs: 25_000, waitMs: 60_000 };
const keyRefreshMs = 10_000;
// What is left of the shutdown time for closing connections once the jobs have ended.
const closingMs = 1_000;

/** Works until a signal ends it. */
export async function runWork(): Promise<void> {
  const settings = readServiceSettings(process.env);
  const logger = createLogger({ level: settings.logLevel });
  const start = () => startWork(settings, logger);
  await runUntilSignal({ start, timeoutMs: settings.shutdownTimeoutMs, logger });
}

/**
 * Builds a worker and starts it; Redis, registries and KMS need not be there yet.
 * @throws AutosignError `rules-invalid`, `settings-invalid`, `audit-unwritable`
 */
export async function startWork(settings: ServiceSettings, logger: Logger): Promise<RunningWork> {
  const clock = systemClock;
  const prefix = signQueuePrefix;
  const openPages = await prepareDashboard(settings, logger);
  const audit = await openAuditLog(join(settings.stateDir, 'audit.jsonl'), () => clock.now());
  const redis = connectStore({ redisUrl: settings.redisUrl, onError: redisErrorLog(logger) });
  const queues = openQueues(redis, settings);
  const pauses = alarmingPauses(logger);
  const current: { desired?: () => Desired } = {};
  const instanceKeys = createInstanceKeys({ clock, timeouts, env: process.env, onEnding: endingLog(logger) });
  const desired = () => current.desired?.();
  const measured = openMetrics({ redis, queues, desired, clientKeys: instanceKeys.ends, pauses, clock, logger });
  const base = createBaseCredentials();
  const opener = createKeyOpener(clock, base, measured.metrics.keyServiceCalled, instanceKeys);
  const opening = openDesired(settings, { redis, base, opener, logger });
  const { ruleSource, state } = await opening.catch(async (error: unknown) => {
    // An open connection would keep the process alive, which has to end with the reason.
    await measured.close();
    await closeConnection(redis);
    await audit.close();
    throw error;
  });
  current.desired = state.current;
  const baseline = createBaselineStore({ redis, prefix });
  const marks = createPushMarks({ redis, prefix });
  const looking = { desired: state.current, baseline, formats: builtFormats, clock, logger };
  const firstSeen = await openFirstSeen({ redis, prefix, stateDir: settings.stateDir, clock, logger });
  const baselines = startBaselineLoop({ ...looking, firstSeen, stateDir: settings.stateDir });
  const refresh = setInterval(
    () => void state.update().catch((err: unknown) => logger.error({ err }, 'keys: cannot be looked at')),
    keyRefreshMs,
  );
  const worker = openWorkers({
    ...{ ...looking, marks, pauses },
    ...{ settings, redis, queues, audit, metrics: measured.metrics },
  });
  const reconciling = openReconcile({
    ...looking,
    // What needs a paused key waits in the registry, not in the queue.
    desired: () => ({ ...state.current(), keyRing: withPauses(state.current().keyRing, pauses) }),
    redis,
    prefix,
    queues,
    marks,
    intervalMs: settings.reconcileIntervalMs,
    onFinished: (registry) => measured.metrics.reconciled(registry, clock.now()),
  });
  const triggers = openTriggerLoop({
    ...{ redis, prefix, base, clock, logger, env: process.env },
    rules: () => state.current().ruleSet,
    intervalMs: settings.triggersIntervalMs,
    onSynced: (registry) => measured.metrics.triggersSynced(registry, clock.now()),
  });
  const admin = await openAdmin({
    ...{ settings, redis, prefix, queues, ruleSource, state, baselines, pauses, audit, logger },
    metrics: measured.metrics,
    openPages,
  });
  const close = async () => {
    clearInterval(refresh);
    const timeoutMs = Math.max(closingMs, settings.shutdownTimeoutMs - closingMs);
    await Promise.all([worker.close({ timeoutMs }), reconciling.close(), triggers.close()]);
    await baselines.close();
    await admin.close();
    await measured.close();
    await ruleSource.close();
    await state.close();
    await closeConnection(redis);
    await audit.close();
  };
  try {
    const adminUrl = await admin.listen();
    logger.info({ admin: adminUrl }, 'worker takes jobs');
    return { adminUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface OpenDesiredOptions {
  readonly redis: RedisConnection;
  readonly base: CredentialsSource;
  readonly opener: KeyOpener;
  readonly logger: Logger;
}

async function openDesired(
  settings: ServiceSettings,
  { redis, base, opener, logger }: OpenDesiredOptions,
): Promise<{ readonly ruleSource: RuleSource; readonly state: DesiredState }> {
  const lock = createRedisLock({ redis, prefix: signQueuePrefix, ...lockTimes });
  let state: DesiredState | undefined;
  const ruleSource = await openRuleSource({
    file: settings.rulesFile,
    stateDir: settings.stateDir,
    intervalMs: settings.rulesIntervalMs,
    onAccepted: (ruleSet) => {
      logger.info({ hash: ruleSet.hash, files: ruleSet.files }, 'rules in use');
      state?.update().catch((err: unknown) => logger.error({ err }, 'keys: cannot be looked at'));
    },
    onRefused: (message) => logger.error({ reason: message }, 'rules refused, the last good ones stay in use'),
    onUnsaved: (error) => logger.error({ err: error }, 'rules: the last good ones cannot be kept for a restart'),
  });
  const rules = () => ruleSource.current();
  state = await createDesiredState({
    rules,
    lock,
    opener,
    base,
    clock: systemClock,
    logger,
    env: process.env,
  });
  // The rules may have changed while their keys were loaded.
  await state.update();
  return { ruleSource, state };
}

/** A ClientKey that is over pauses its key, so it is a warning before. */
function endingLog(logger: Logger) {
  return ({ key, clientKeyId, notAfter }: ClientKeyEnd) =>
    logger.warn(
      { key, clientKeyId, notAfter, nextStep: 'Make a new one in the KMS console and replace clientKeyFile.' },
      'ClientKey ends soon, its key is paused then',
    );
}

/** Each pause is an alarm when it begins, and a word when it is over. */
function alarmingPauses(logger: Logger): Pauses {
  return createPauses({
    clock: systemClock,
    onPaused: ({ scope, name, reason }) => logger.error({ [scope]: name, reason }, `${scope} is paused, its jobs wait`),
    onResumed: ({ scope, name }) => logger.warn({ [scope]: name }, `${scope} works again`),
  });
}
