import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import type { CredentialsSource } from '../../../src/alibaba/sts-credentials.ts';
import { createDesiredState } from '../../../src/commands/desired-state.ts';
import { createKeyOpener, type KeyOpener } from '../../../src/commands/open-keys.ts';
import { createBaselineStore } from '../../../src/coordination/baseline-store.ts';
import { createIntentStore } from '../../../src/coordination/intent-store.ts';
import { createPushMarks } from '../../../src/coordination/push-marks.ts';
import { createRedisLock } from '../../../src/coordination/redis-lock.ts';
import { builtFormats } from '../../../src/formats/built-formats.ts';
import { openAuditLog } from '../../../src/observability/audit.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { systemClock } from '../../../src/ports/clock.ts';
import { unlimitedQuota } from '../../../src/ports/quota.ts';
import type { SignJob } from '../../../src/queue/sign-job.ts';
import { loadRuleSet } from '../../../src/rules/load-rule-set.ts';
import type { Rule } from '../../../src/rules/rule-set.ts';
import type { Desired } from '../../../src/worker/desired.ts';
import { createPauses } from '../../../src/worker/pauses.ts';
import { type JobVerdict, type ProcessJobOptions, processJob } from '../../../src/worker/process-job.ts';
import { type SigningKey, signingCertificate, signingKey } from '../../support/signing-keys.ts';
import { openStore } from '../coordination/open-store.ts';

export interface JobsSetting {
  /** `host:port` of the registry `lab`; by default the real one without the referrers API. */
  readonly host?: string;
  /** More fields of the registry. */
  readonly registry?: string;
  /** The namespace of the one rule; `prod` when absent. */
  readonly namespace?: string;
  /** The process's own identity at Alibaba Cloud. */
  readonly base?: CredentialsSource;
  /** More fields of the one rule, which signs all of the namespace with a local key; `existing: sign` when absent. */
  readonly rule?: string;
  /** Leaves out what the key needs besides itself, which pauses it. */
  readonly keyWithoutCertificate?: boolean;
  /** `none`: the key has its public key file alone. */
  readonly certificate?: 'none';
  readonly auditFile?: string;
  /** Where the key is instead of a file, how it is opened there, and what it is. */
  readonly key?: { readonly source: string; readonly opener: KeyOpener; readonly is: SigningKey };
}

/** All that `processJob` needs as `work` builds it: rules and keys from files, real Redis, a real registry. */
export async function openJobs({ host = inject('fallbackHost'), ...setting }: JobsSetting = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-jobs-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const ruleSet = await loadRuleSet(await writeRules(directory, host, setting));
  const store = openStore();
  const lock = createRedisLock({ ...store, leaseMs: 20_000, deadlineMs: 10_000, waitMs: 20_000 });
  const state = await createDesiredState({
    rules: () => ruleSet,
    lock,
    opener: setting.key?.opener ?? createKeyOpener(),
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    env: {},
    base: setting.base,
  });
  onTestFinished(() => state.close());
  const auditFile = setting.auditFile ?? join(directory, 'audit.jsonl');
  const audit = await openAuditLog(auditFile, () => systemClock.now());
  onTestFinished(() => audit.close());
  const baseline = createBaselineStore(store);
  const marks = createPushMarks(store);
  const options: ProcessJobOptions = {
    desired: state.current,
    tools: {
      intents: createIntentStore({ ...store, keepMs: 60_000 }),
      quota: unlimitedQuota,
      audit,
      formats: builtFormats,
    },
    baseline,
    marks,
    pauses: createPauses({ clock: systemClock, onPaused: () => undefined, onResumed: () => undefined }),
    clock: systemClock,
  };
  const [rule] = ruleSet.rules;
  const access = state.current().registries.get('lab');
  if (rule === undefined || access === undefined) throw new Error('the rules name both');
  return {
    host,
    ruleSet,
    rule,
    access,
    baseline,
    marks,
    pauses: options.pauses,
    desired: state.current,
    /** As a worker does, with parts exchanged where a test says so. */
    run: (data: unknown, more: Partial<ProcessJobOptions> = {}): Promise<JobVerdict> =>
      processJob(data, { ...options, ...more }),
  };
}

/** The same state with the one rule changed. */
export function withRule(desired: Desired, change: Partial<Rule>): () => Desired {
  const rules = desired.ruleSet.rules.map((rule) => ({ ...rule, ...change }));
  return () => ({ ...desired, ruleSet: { ...desired.ruleSet, rules } });
}

/** A push of `repository:v1`. */
export function pushOf(repository: string, more: Partial<SignJob> = {}): SignJob {
  const receivedAt = new Date().toISOString();
  return {
    version: 1,
    registry: 'lab',
    repository,
    tag: 'v1',
    lane: 'push',
    cause: { kind: 'push', receivedAt },
    ...more,
  };
}

async function writeRules(directory: string, host: string, setting: JobsSetting): Promise<string> {
  const key = setting.key?.is ?? signingKey('EC_P256');
  const source = setting.key?.source ?? 'local: { privateKeyFile: key.pem }';
  const file = join(directory, 'rules.yaml');
  const certificate = setting.keyWithoutCertificate ? '' : await writeCertificate(directory, key, setting);
  writeFileSync(join(directory, 'key.pem'), key.privateKeyPem);
  writeFileSync(
    file,
    [
      'version: 1',
      'registries:',
      `  - { name: lab, host: "${host}", plainHttp: true${setting.registry ?? ''} }`,
      'keys:',
      `  - { name: dev, spec: ${key.spec}, ${source}${certificate} }`,
      'rules:',
      `  - { name: all, registries: [lab], namespaces: { include: [${setting.namespace ?? 'prod'}] }, key: dev, algorithm: ${key.algorithm}, ${setting.rule ?? 'existing: sign'} }`,
    ].join('\n'),
  );
  return file;
}

async function writeCertificate(directory: string, key: SigningKey, { certificate }: JobsSetting): Promise<string> {
  const publicKey = `, publicKeyFile: key.pub.pem, publicKeySha256: ${key.publicKeySha256}`;
  writeFileSync(join(directory, 'key.pub.pem'), key.publicKeyPem);
  if (certificate === 'none') return publicKey;
  writeFileSync(join(directory, 'chain.pem'), await signingCertificate(key));
  return `${publicKey}, certificateChain: chain.pem`;
}
