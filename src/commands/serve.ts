import { createDeliveryCapture } from '../coordination/delivery-capture.ts';
import { createPushMarks } from '../coordination/push-marks.ts';
import { createReconcileSchedule } from '../coordination/reconcile-schedule.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { systemClock } from '../ports/clock.ts';
import { createConfirm } from '../queue/confirmation.ts';
import { closeConnection, connectProducer } from '../queue/connection.ts';
import { signQueuePrefix } from '../queue/job-options.ts';
import { createSeenEvents } from '../queue/seen-events.ts';
import { createSignQueues } from '../queue/sign-queues.ts';
import { createReceiver } from '../receiver/receiver.ts';
import { receiverLimits } from '../receiver/receiver-limits.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { openRuleSource } from '../rules/rule-source.ts';
import { listen } from './listen.ts';
import { openCertificates } from './open-certificates.ts';
import { openQueues } from './open-queues.ts';
import { createReconcileRequests } from './reconcile-requests.ts';
import { redisErrorLog } from './redis-error-log.ts';
import { type Running, runUntilSignal } from './run-until-signal.ts';
import { readServiceSettings, type ServiceSettings } from './settings.ts';

/** A receiver that listens. */
export interface RunningServe extends Running {
  /** `http://HOST:PORT`, with the port it really has. */
  readonly url: string;
}

// Leaves 50 ms of the second within which a caller is answered.
const confirmTimeoutMs = 950;

/** Receives until a signal ends it. */
export async function runServe(): Promise<void> {
  const settings = readServiceSettings(process.env);
  const logger = createLogger({ level: settings.logLevel });
  const start = () => startServe(settings, logger);
  await runUntilSignal({ start, timeoutMs: settings.shutdownTimeoutMs, logger });
}

/**
 * Builds the receiver and listens; Redis need not be there yet.
 * @throws AutosignError `rules-invalid` when neither the rules file nor the last good one is usable;
 * `settings-invalid` when the address cannot be listened on
 */
export async function startServe(settings: ServiceSettings, logger: Logger): Promise<RunningServe> {
  const ruleSource = await openRuleSource({
    file: settings.rulesFile,
    stateDir: settings.stateDir,
    intervalMs: settings.rulesIntervalMs,
    onAccepted: (ruleSet) => logRules(logger, ruleSet),
    onRefused: ({ message }) => logger.error({ reason: message }, 'rules refused, the last good ones stay in use'),
    onUnsaved: (error) => logger.error({ err: error }, 'rules in use could not be kept for the next start'),
  });
  logRules(logger, ruleSource.current());
  const redis = connectProducer({ redisUrl: settings.redisUrl, onError: redisErrorLog(logger) });
  const queue = createSignQueues({
    redis,
    queues: openQueues(redis, settings),
    timeoutMs: confirmTimeoutMs,
  });
  redis.on('ready', () => logger.info('Redis is connected'));
  const prefix = signQueuePrefix;
  const schedule = createReconcileSchedule({ redis, prefix });
  const requests = createReconcileRequests({ schedule, logger });
  const confirm = createConfirm(redis, confirmTimeoutMs);
  const certificates = openCertificates();
  const app = await createReceiver({
    rules: () => ruleSource.current(),
    rulesRefused: () => ruleSource.refused(),
    queue,
    marks: createPushMarks({ redis, prefix }),
    onUnconfirmed: requests.note,
    capture: createDeliveryCapture({ redis, prefix }),
    certificateKeys: certificates.keys,
    pinnedKeys: certificates.pinnedKeys,
    seenEvents: createSeenEvents({ redis, prefix, timeoutMs: confirmTimeoutMs }),
    askReconcile: (registry) => confirm(async () => schedule.wantUnhurried(registry, await schedule.now())),
    clock: systemClock,
    logger,
    limits: receiverLimits,
    trustProxy: settings.trustedProxies,
  });
  const close = async () => {
    // The door first: what is being answered still needs Redis and the rules.
    await app.close();
    await certificates.close();
    await requests.close();
    await queue.close();
    await closeConnection(redis);
    await ruleSource.close();
  };
  try {
    const url = await listen(app, { ...settings, settings: 'AUTOSIGN_HOST, AUTOSIGN_PORT' });
    logger.info({ address: url }, 'receiver listens');
    return { url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function logRules(logger: Logger, { hash, files, rules }: RuleSet): void {
  logger.info({ hash, files, rules: rules.length }, 'rules in use');
}
