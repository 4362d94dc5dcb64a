import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { createBaselineStore } from '../coordination/baseline-store.ts';
import { createIntentStore } from '../coordination/intent-store.ts';
import { createPushMarks } from '../coordination/push-marks.ts';
import { createRedisLock } from '../coordination/redis-lock.ts';
import { openAuditLog } from '../observability/audit.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { systemClock } from '../ports/clock.ts';
import { unlimitedQuota } from '../ports/quota.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createWorkerHealth } from '../receiver/worker-health.ts';
import { openRuleSource, type RuleSource } from '../rules/rule-source.ts';
import type { CrashPoint, ReachedPoint } from '../signing/crash-points.ts';
import { withPauses } from '../worker/paused-keys.ts';
import { createPauses, type Pauses } from '../worker/pauses.ts';
import { processJob } from '../worker/process-job.ts';
import { startSignWorker } from '../worker/sign-worker.ts';
import { type BaselineLoop, startBaselineLoop } from './baseline-loop.ts';
import { createDesiredState, type DesiredState } from './desired-state.ts';
import { listen } from './listen.ts';
import { createKeyOpener } from './open-keys.ts';
import { openMetrics } from './open-metrics.ts';
import { openReconcile } from './open-reconcile.ts';
import { redisErrorLog } from './redis-error-log.ts';
import { type Running, runUntilSignal } from './run-until-signal.ts';
import { readServiceSettings, type ServiceSettings } from './settings.ts';
import { signatureFormats as formats } from './signature-formats.ts';

/** A worker that takes jobs. */
export interface RunningWork extends Running {
  /** `http://HOST:PORT` of its health. */
  readonly adminUrl: string;
}

// Longer than a signature takes with every request at its limit; a holder gives up five seconds before Redis does.
const lockTimes = { leaseMs: 30_000, deadlineMs: 25_000, waitMs: 60_000 };
// Far longer than any job, lock or retry; after it the registry alone is the truth.
const intentKeepMs = 24 * 3600 * 1000;
const jobLockMs = 10_000;
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
  const audit = await openAuditLog(join(settings.stateDir, 'audit.jsonl'), () => clock.now());
  const redis = connectStore({ redisUrl: settings.redisUrl, onError: redisErrorLog(logger) });
  const { ruleSource, state } = await openDesired(settings, redis, logger).catch(async (error: unknown) => {
    // An open connection would keep the process alive, which has to end with the reason.
    await closeConnection(redis);
    await audit.close();
    throw error;
  });
  const baseline = createBaselineStore({ redis, prefix });
  const marks = createPushMarks({ redis, prefix });
  const looking = { desired: state.current, baseline, formats, clock, logger };
  const baselines = startBaselineLoop({ ...looking, stateDir: settings.stateDir });
  const refresh = setInterval(
    () => void state.update().catch((err: unknown) => logger.error({ err }, 'keys: cannot be looked at')),
    keyRefreshMs,
  );
  const pauses = alarmingPauses(logger);
  const measured = openMetrics({ redis, prefix, desired: state.current, pauses, logger });
  const worker = startSignWorker({
    redisUrl: settings.redisUrl,
    prefix,
    concurrency: settings.concurrency,
    lockMs: jobLockMs,
    logger,
    metrics: measured.metrics,
    process: (data) =>
      processJob(data, {
        desired: state.current,
        tools: {
          intents: createIntentStore({ redis, prefix, keepMs: intentKeepMs }),
          quota: unlimitedQuota,
          audit,
          formats,
          reached: crashAt(settings.testCrashPoint),
        },
        baseline,
        marks,
        pauses,
        clock,
      }),
  });
  const reconciling = openReconcile({
    ...looking,
    // What needs a paused key waits in the registry, not in the queue.
    desired: () => ({ ...state.current(), keyRing: withPauses(state.current().keyRing, pauses) }),
    redis,
    prefix,
    marks,
    intervalMs: settings.reconcileIntervalMs,
    onFinished: (registry) => measured.metrics.reconciled(registry, clock.now()),
  });
  const admin = await createWorkerHealth(
    () => healthOf(redis, ruleSource, state, { baselines, pauses }),
    measured.metrics,
  );
  const close = async () => {
    clearInterval(refresh);
    const timeoutMs = Math.max(closingMs, settings.shutdownTimeoutMs - closingMs);
    await Promise.all([worker.close({ timeoutMs }), reconciling.close()]);
    await baselines.close();
    await admin.close();
    await measured.close();
    await ruleSource.close();
    await state.close();
    await closeConnection(redis);
    await audit.close();
  };
  try {
    const adminUrl = await listen(admin, {
      host: settings.adminHost,
      port: settings.adminPort,
      settings: 'AUTOSIGN_ADMIN_HOST, AUTOSIGN_ADMIN_PORT',
    });
    logger.info({ admin: adminUrl }, 'worker takes jobs');
    return { adminUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openDesired(
  settings: ServiceSettings,
  redis: Redis,
  logger: Logger,
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
    opener: createKeyOpener(),
    clock: systemClock,
    logger,
    env: process.env,
  });
  // The rules may have changed while their keys were loaded.
  await state.update();
  return { ruleSource, state };
}

async function healthOf(
  redis: Redis,
  ruleSource: RuleSource,
  state: DesiredState,
  { baselines, pauses }: { readonly baselines: BaselineLoop; readonly pauses: Pauses },
) {
  const { ruleSet } = state.current();
  const keyRing = withPauses(state.current().keyRing, pauses);
  const reachable = await redis.ping().then(
    () => true,
    () => false,
  );
  const used = new Set(ruleSet.rules.filter((rule) => rule.state !== 'off').map((rule) => rule.key));
  return {
    redis: reachable,
    rules: { hash: ruleSet.hash, refused: ruleSource.refused()?.message },
    keys: [...used].map((name) => {
      const key = keyRing.get(name);
      return { name, state: key.state, ...(key.state === 'paused' && { reason: key.reason }) };
    }),
    pausedRegistries: pauses
      .list()
      .flatMap(({ scope, name, reason }) => (scope === 'registry' ? [{ name, reason }] : [])),
    preparing: reachable ? await baselines.preparing() : [],
  };
}

/** Each pause is an alarm when it begins, and a word when it is over. */
function alarmingPauses(logger: Logger): Pauses {
  return createPauses({
    clock: systemClock,
    onPaused: ({ scope, name, reason }) => logger.error({ [scope]: name, reason }, `${scope} is paused, its jobs wait`),
    onResumed: ({ scope, name }) => logger.warn({ [scope]: name }, `${scope} works again`),
  });
}

/** For tests of what a crash leaves behind: the process dies at the named place, as by a power cut. */
function crashAt(point: CrashPoint | undefined): ReachedPoint | undefined {
  if (point === undefined) return undefined;
  return (reached) => {
    if (reached === point) process.kill(process.pid, 'SIGKILL');
  };
}
