import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../domain/errors.ts';

/** How a run of a job ended: the outcome's status, or that it comes back, or that it is a dead letter now. */
type RunOutcome = 'no-rule' | 'gone' | 'not-an-image' | 'denied' | 'examined' | 'sleep' | 'retry' | 'dead';

interface EndedIntent {
  readonly registry: unknown;
  readonly rule: string;
  readonly format: string;
  readonly status: string;
  /** Why it waits or failed. */
  readonly code?: ErrorCode | undefined;
}

/** One call to the key service. */
interface KeyServiceCall {
  /** Of the rules file. */
  readonly key: string;
  readonly action: string;
  readonly outcome: 'ok' | 'throttled' | 'failed';
}

/**
 * What a worker tells Prometheus. Labels hold names from the rules files and words of ours only, so their number is
 * bounded: no repository, no tag, and nothing that a stranger wrote into Redis.
 */
export interface Metrics {
  /** @param registry what the job's data says; one that is not configured counts as `other` */
  jobRan(registry: unknown, outcome: RunOutcome): void;
  /** One signature that one rule demands, at the end of a run. */
  intentEnded(ended: EndedIntent): void;
  failed(code: ErrorCode | 'unexpected'): void;
  /** A push was received `seconds` before its image was signed; what cannot be is brought within bounds. */
  pushSigned(registry: unknown, seconds: number): void;
  keyServiceCalled(call: KeyServiceCall): void;
  /** A place in the quota of KMS calls was given after `waitedMs`; `scope` is `<account id>/<region>`. */
  quotaTaken(taken: { readonly scope: string; readonly waitedMs: number }): void;
  /** How many calls a second that quota allows now. */
  quotaLimited(limit: { readonly scope: string; readonly perSecond: number }): void;
  /** The registry was compared with the rules from one end to the other. */
  reconciled(registry: string, at: Date): void;
  /** Every repository of the registry that the rules cover has its trigger. */
  triggersSynced(registry: string, at: Date): void;
  /** The text that Prometheus reads, with the gauges as they are now. Never rejected. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** What is read at every scrape. */
export interface MetricsSources {
  readonly isRegistry: (name: string) => boolean;
  /** Jobs over all queues. Rejected when Redis does not answer: then the gauges are absent. */
  readonly queueDepth: () => Promise<{
    readonly lanes: readonly { readonly lane: string; readonly state: string; readonly count: number }[];
    readonly deadLetters: number;
  }>;
  /** Everything that is paused now. */
  readonly paused: () => readonly { readonly scope: string; readonly name: string }[];
  /** When the certificate of each key in use ends. */
  readonly certificates: () => readonly { readonly key: string; readonly notAfter: Date }[];
  /** When the ClientKey of each key of a KMS instance ends. */
  readonly clientKeys: () => readonly { readonly key: string; readonly notAfter: Date }[];
  readonly now: () => Date;
}

// From the fastest that a registry allows to what is an outage; the design aims at half a second and one second.
const latencyBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
// A place that is free costs a request to Redis; one of a busy account a second.
const waitBuckets = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];
// The time of a push is read from Redis. A key may be paused for days; more than that is nonsense.
const latencyMaxSeconds = 7 * 24 * 3600;
const dayMs = 24 * 3600 * 1000;

/** Holds a registry of its own: two workers in one process, or two tests, do not meet. */
export function createMetrics(sources: MetricsSources): Metrics {
  const register = new Registry();
  const counters = createCounters(register);
  const readGauges = createGauges(register, sources);
  const nameOf = (registry: unknown) =>
    typeof registry === 'string' && sources.isRegistry(registry) ? registry : 'other';
  return {
    jobRan: (registry, outcome) => counters.jobs.inc({ registry: nameOf(registry), outcome }),
    intentEnded: ({ registry, code, ...labels }) =>
      counters.signatures.inc({ registry: nameOf(registry), ...labels, ...(code !== undefined && { code }) }),
    failed: (code) => counters.failures.inc({ code }),
    pushSigned: (registry, seconds) => {
      const bounded = Math.min(latencyMaxSeconds, Math.max(0, seconds));
      counters.latency.observe({ registry: nameOf(registry) }, bounded);
    },
    keyServiceCalled: ({ key, action, outcome }) => counters.keyServiceCalls.inc({ key, action, outcome }),
    quotaTaken: ({ scope, waitedMs }) => counters.quotaWaits.observe({ scope }, waitedMs / 1000),
    quotaLimited: ({ scope, perSecond }) => counters.quotaLimit.set({ scope }, perSecond),
    reconciled: (registry, at) => counters.reconciles.set({ registry }, at.getTime() / 1000),
    triggersSynced: (registry, at) => counters.triggerSyncs.set({ registry }, at.getTime() / 1000),
    render: async () => {
      await readGauges().catch(() => undefined);
      return { contentType: register.contentType, text: await register.metrics() };
    },
  };
}

/** What is counted as it happens. */
function createCounters(register: Registry) {
  const registers = [register];
  return {
    jobs: new Counter({
      name: 'autosign_jobs_total',
      help: 'Runs of jobs by how they ended; sleep and retry come back, dead is a dead letter.',
      labelNames: ['registry', 'outcome'],
      registers,
    }),
    signatures: new Counter({
      name: 'autosign_signatures_total',
      help: 'Signatures that rules demand, by what became of each in one run; with the error code of one that failed.',
      labelNames: ['registry', 'rule', 'format', 'status', 'code'],
      registers,
    }),
    failures: new Counter({
      name: 'autosign_failures_total',
      help: 'Failed runs of jobs by error code.',
      labelNames: ['code'],
      registers,
    }),
    latency: new Histogram({
      name: 'autosign_push_to_signed_seconds',
      help: 'From the receipt of a push event to the end of the run that signed its image.',
      labelNames: ['registry'],
      buckets: latencyBuckets,
      registers,
    }),
    keyServiceCalls: new Counter({
      name: 'autosign_kms_calls_total',
      help: 'Calls to KMS by key, action and outcome: ok, throttled or failed.',
      labelNames: ['key', 'action', 'outcome'],
      registers,
    }),
    quotaWaits: new Histogram({
      name: 'autosign_kms_quota_wait_seconds',
      help: 'How long calls of KMS waited for their place in the quota of an account and region.',
      labelNames: ['scope'],
      buckets: waitBuckets,
      registers,
    }),
    quotaLimit: new Gauge({
      name: 'autosign_kms_quota_calls_per_second',
      help: 'Calls of KMS a second that the quota allows all workers now; less than configured after throttled calls.',
      labelNames: ['scope'],
      registers,
    }),
    reconciles: new Gauge({
      name: 'autosign_last_reconcile_timestamp_seconds',
      help: 'When a registry was last compared with the rules from one end to the other.',
      labelNames: ['registry'],
      registers,
    }),
    triggerSyncs: new Gauge({
      name: 'autosign_last_trigger_sync_timestamp_seconds',
      help: 'When every repository of a registry that the rules cover was last seen with its webhook trigger.',
      labelNames: ['registry'],
      registers,
    }),
  };
}

/** What is read at every scrape. @returns reads it; what cannot be read is absent: an old number would look like a true one */
function createGauges(register: Registry, sources: MetricsSources): () => Promise<void> {
  const registers = [register];
  const pauses = new Gauge({
    name: 'autosign_paused',
    help: '1 for each key or registry that is paused in this process; its jobs wait.',
    labelNames: ['scope', 'name'],
    registers,
  });
  const certificates = new Gauge({
    name: 'autosign_certificate_days_left',
    help: 'Days until the certificate of a key ends; its signatures end with it.',
    labelNames: ['key'],
    registers,
  });
  const clientKeys = new Gauge({
    name: 'autosign_client_key_days_left',
    help: 'Days until the ClientKey that a key of a KMS instance is used with ends; the key is paused then.',
    labelNames: ['key'],
    registers,
  });
  const queued = new Gauge({
    name: 'autosign_queue_jobs',
    help: 'Jobs in all queues by lane (push: live, backfill: behind them) and state.',
    labelNames: ['lane', 'state'],
    registers,
  });
  const deadLetters = new Gauge({
    name: 'autosign_dead_letters',
    help: 'Jobs that failed for good and wait for an operator; see "autosign dead list".',
    labelNames: [],
    registers,
  });
  return async () => {
    pauses.reset();
    for (const { scope, name } of sources.paused()) pauses.set({ scope, name }, 1);
    certificates.reset();
    const now = sources.now().getTime();
    for (const { key, notAfter } of sources.certificates())
      certificates.set({ key }, (notAfter.getTime() - now) / dayMs);
    clientKeys.reset();
    for (const { key, notAfter } of sources.clientKeys()) clientKeys.set({ key }, (notAfter.getTime() - now) / dayMs);
    queued.reset();
    deadLetters.remove();
    const depth = await sources.queueDepth();
    deadLetters.set(depth.deadLetters);
    for (const { lane, state, count } of depth.lanes) queued.set({ lane, state }, count);
  };
}
