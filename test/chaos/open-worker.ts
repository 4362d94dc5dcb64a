import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { CredentialsSource } from '../../src/alibaba/sts-credentials.ts';
import { createDesiredState } from '../../src/commands/desired-state.ts';
import { createKeyOpener } from '../../src/commands/open-keys.ts';
import { createBaselineStore } from '../../src/coordination/baseline-store.ts';
import { createIntentStore } from '../../src/coordination/intent-store.ts';
import { createPushMarks } from '../../src/coordination/push-marks.ts';
import type { RedisConnection } from '../../src/coordination/redis-connection.ts';
import { createRedisLock } from '../../src/coordination/redis-lock.ts';
import { builtFormats } from '../../src/formats/built-formats.ts';
import { openAuditLog } from '../../src/observability/audit.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { unlimitedQuota } from '../../src/ports/quota.ts';
import { closeConnection, connectStore } from '../../src/queue/connection.ts';
import type { SignJob } from '../../src/queue/sign-job.ts';
import { loadRuleSet } from '../../src/rules/load-rule-set.ts';
import { createPauses } from '../../src/worker/pauses.ts';
import { type JobVerdict, type ProcessJobOptions, processJob } from '../../src/worker/process-job.ts';
import { sample } from '../emulator/sample-config.ts';
import { uniquePrefix } from '../support/names.ts';
import type { ChaosSetting, Tagged } from './chaos-setting.ts';
import type { EmulatedCloud } from './emulated-cloud.ts';
import { passwordEnvOf } from './rules-text.ts';

const lockTimes = { leaseMs: 20_000, deadlineMs: 10_000, waitMs: 20_000 };
const intentKeepMs = 600_000;

export type AtEnd = (end: () => Promise<void>) => void;

/** Keys and connection of one deployment in Redis. */
interface Store {
  readonly redis: RedisConnection;
  readonly prefix: string;
}

export interface OpenWorkerOptions {
  /** The test's own `onTestFinished`: tests side by side cannot share one. */
  readonly atEnd: AtEnd;
  /** Absent: the rules name local keys only. */
  readonly cloud?: EmulatedCloud;
}

/**
 * What `work` builds, in this process and for one test: the group's rules, its registries behind their proxies, and a
 * part of Redis of its own. The test says when a job runs and how much time its pauses see go by.
 */
export async function openWorker(setting: ChaosSetting, { atEnd, cloud }: OpenWorkerOptions) {
  const store = openStore(setting, atEnd);
  const ruleSet = await loadRuleSet(setting.group.rulesFile);
  const password = cloud?.robot.password;
  const state = await createDesiredState({
    rules: () => ruleSet,
    lock: createRedisLock({ ...store, ...lockTimes }),
    opener: createKeyOpener(systemClock, identityOf(cloud)),
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    env: Object.fromEntries([...ruleSet.registries.keys()].map((name) => [passwordEnvOf(name), password])),
  });
  atEnd(() => state.close());
  const auditFile = join(setting.group.directory, `audit-${randomUUID()}.jsonl`);
  const audit = await openAuditLog(auditFile, () => systemClock.now());
  atEnd(() => audit.close());
  let aheadMs = 0;
  const alarms: string[] = [];
  const clock = { now: () => new Date(Date.now() + aheadMs) };
  const pauses = createPauses({
    clock,
    onPaused: ({ scope, name }) => alarms.push(`${scope} ${name} paused`),
    onResumed: ({ scope, name }) => alarms.push(`${scope} ${name} works`),
  });
  const options: Omit<ProcessJobOptions, 'pauses'> = {
    desired: state.current,
    tools: {
      intents: createIntentStore({ ...store, keepMs: intentKeepMs }),
      quota: unlimitedQuota,
      audit,
      formats: builtFormats,
    },
    baseline: createBaselineStore(store),
    marks: createPushMarks(store),
    clock,
  };
  return {
    ...store,
    state,
    baseline: options.baseline,
    marks: options.marks,
    /** Pauses and their ends, in order: what an operator hears of. */
    alarms: alarms as readonly string[],
    auditFile,
    run: (data: unknown): Promise<JobVerdict> => processJob(data, { ...options, pauses }),
    /** As a process does that has heard of no failure yet. */
    runUnwarned: (data: unknown): Promise<JobVerdict> => {
      const none = createPauses({ clock: systemClock, onPaused: () => undefined, onResumed: () => undefined });
      return processJob(data, { ...options, pauses: none });
    },
    /** Lets the pauses see this time go by. */
    pass: (ms: number) => {
      aheadMs += ms;
    },
  };
}

export type OpenWorker = Awaited<ReturnType<typeof openWorker>>;

/** A live push as the receiver queues it. */
export function pushOf({ registry, repository, tag }: Tagged, more: Partial<SignJob> = {}): SignJob {
  const receivedAt = new Date().toISOString();
  return { version: 1, registry, repository, tag, lane: 'push', cause: { kind: 'push', receivedAt }, ...more };
}

/** The status of each signature that a verdict tells of. */
export function statusesOf(verdict: JobVerdict): readonly string[] {
  const outcome = 'outcome' in verdict ? verdict.outcome : undefined;
  return outcome?.status === 'examined' ? outcome.intents.map(({ status }) => status) : [];
}

function openStore({ redis: { url } }: ChaosSetting, atEnd: AtEnd): Store {
  const redis = connectStore({ redisUrl: url, onError: () => undefined });
  atEnd(() => closeConnection(redis));
  return { redis, prefix: uniquePrefix('chaos') };
}

function identityOf(cloud: EmulatedCloud | undefined): CredentialsSource {
  const accessKeySecret = cloud?.workerEnvironment['ALIBABA_CLOUD_ACCESS_KEY_SECRET'] ?? '';
  const { accessKeyId } = sample.worker;
  const credentials = { accessKeyId, accessKeySecret, securityToken: undefined, expiration: undefined };
  return { credentials: async () => credentials, forget: () => undefined };
}
