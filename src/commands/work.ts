import { join } from 'node:path';
import { Command } from 'commander';
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import { createBaselineStore } from '../coordination/baseline-store.ts';
import { createIntentStore } from '../coordination/intent-store.ts';
import { createPushMarks } from '../coordination/push-marks.ts';
import { createRedisLock } from '../coordination/redis-lock.ts';
import { AutosignError } from '../domain/errors.ts';
import { notationJws } from '../formats/notation-jws.ts';
import { openAuditLog } from '../observability/audit.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { systemClock } from '../ports/clock.ts';
import { unlimitedQuota } from '../ports/quota.ts';
import { closeConnection, connectStore } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createWorkerHealth } from '../receiver/worker-health.ts';
import { openRuleSource, type RuleSource } from '../rules/rule-source.ts';
import { processJob } from '../worker/process-job.ts';
import { startSignWorker } from '../worker/sign-worker.ts';
import { type BaselineLoop, startBaselineLoop } from './baseline-loop.ts';
import { createDesiredState, type DesiredState } from './desired-state.ts';
import { createKeyOpener } from './open-keys.ts';
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
// Far longer than any job, lock or retry; after it the registry alone is the truth.
const intentKeepMs = 24 * 3600 * 1000;
const jobLockMs = 10_000;
const keyRefreshMs = 10_000;
// What is left of the shutdown time for closing connections once the jobs have ended.
const closingMs = 1_000;

const help = `
Settings: AUTOSIGN_RULES and AUTOSIGN_REDIS_URL must be set; .env.example lists all. The identity that assumes the
roles of KMS keys comes from Alibaba Cloud's usual sources (ALIBABA_CLOUD_ACCESS_KEY_ID …, RRSA, ECS RAM role).
A key or registry that is not usable waits with its jobs; /readyz on the admin port says why.

Examples:
  $ AUTOSIGN_RULES=rules/example.yaml AUTOSIGN_REDIS_URL=redis://127.0.0.1:6379 autosign work
  $ curl -s http://127.0.0.1:9090/readyz

Exit codes:
  0 stopped by SIGTERM or SIGINT  1 failed, or stopped without finishing  2 settings or rules`;

/** `autosign work` */
export function workCommand(): Command {
  return new Command('work')
    .description('sign what is queued')
    .addHelpText('after', help)
    .action(async () => {
      const settings = readServiceSettings(process.env);
      const logger = createLogger({ level: settings.logLevel });
      const running = await startWork(settings, logger);
      await runUntilSignal({ running, timeoutMs: settings.shutdownTimeoutMs, logger });
    });
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
  const { ruleSource, state } = await openDesired(settings, redis, logger);
  const baseline = createBaselineStore({ redis, prefix });
  const baselines = startBaselineLoop({ desired: state.current, baseline, stateDir: settings.stateDir, logger });
  const refresh = setInterval(
    () => void state.refreshKeys().catch((err: unknown) => logger.error({ err }, 'keys: cannot be refreshed')),
    keyRefreshMs,
  );
  const worker = startSignWorker({
    redisUrl: settings.redisUrl,
    prefix,
    concurrency: settings.concurrency,
    lockMs: jobLockMs,
    logger,
    process: (data) =>
      processJob(data, {
        desired: state.current,
        tools: {
          intents: createIntentStore({ redis, prefix, keepMs: intentKeepMs }),
          quota: unlimitedQuota,
          audit,
          formats: new Map([[notationJws.name, notationJws]]),
        },
        baseline,
        marks: createPushMarks({ redis, prefix }),
        clock,
      }),
  });
  const admin = await createWorkerHealth(() => healthOf(redis, ruleSource, state, baselines));
  const close = async () => {
    clearInterval(refresh);
    await worker.close({ timeoutMs: Math.max(closingMs, settings.shutdownTimeoutMs - closingMs) });
    await baselines.close();
    await admin.close();
    await ruleSource.close();
    await state.close();
    await closeConnection(redis);
    await audit.close();
  };
  try {
    const adminUrl = await listen(admin, settings);
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
      state?.replace(ruleSet).catch((err: unknown) => logger.error({ err }, 'rules: cannot be taken over'));
    },
    onRefused: (message) => logger.error({ reason: message }, 'rules refused, the last good ones stay in use'),
  });
  const options = { lock, opener: createKeyOpener(), clock: systemClock, logger, env: process.env };
  state = await createDesiredState(ruleSource.current(), options);
  return { ruleSource, state };
}

async function healthOf(redis: Redis, ruleSource: RuleSource, state: DesiredState, baselines: BaselineLoop) {
  const { ruleSet, keyRing } = state.current();
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
    preparing: reachable ? await baselines.preparing() : [],
  };
}

async function listen(app: FastifyInstance, { adminHost, adminPort }: ServiceSettings): Promise<string> {
  try {
    return await app.listen({ host: adminHost, port: adminPort });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed';
    throw new AutosignError(
      'settings-invalid',
      `AUTOSIGN_ADMIN_HOST, AUTOSIGN_ADMIN_PORT: cannot listen on ${adminHost} port ${adminPort} (${code}). Choose another address or port.`,
      { cause },
    );
  }
}
