import { Counter, Gauge, Registry } from 'prom-client';
import type { ErrorCode } from '../domain/errors.ts';

/** How a run of a job ended: the outcome's status, or that it comes back, or that it is a dead letter now. */
type RunOutcome = 'no-rule' | 'gone' | 'not-an-image' | 'denied' | 'examined' | 'sleep' | 'retry' | 'dead';

interface EndedIntent {
  readonly registry: unknown;
  readonly rule: string;
  readonly format: string;
  readonly status: string;
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
  /** The registry was compared with the rules from one end to the other. */
  reconciled(registry: string, at: Date): void;
  /** The text that Prometheus reads, with the gauges as they are now. Never rejected. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** What is read at every scrape. */
export interface MetricsSources {
  readonly isRegistry: (name: string) => boolean;
  /** Jobs by state, the dead letters as `failed`. Rejected when Redis does not answer: then the gauges are absent. */
  readonly jobCounts: () => Promise<Readonly<Record<string, number>>>;
  /** Everything that is paused now. */
  readonly paused: () => readonly { readonly scope: string; readonly name: string }[];
}

/** Holds a registry of its own: two workers in one process, or two tests, do not meet. */
export function createMetrics({ isRegistry, jobCounts, paused }: MetricsSources): Metrics {
  const registers = [new Registry()] as const;
  const [all] = registers;
  const jobs = new Counter({
    name: 'autosign_jobs_total',
    help: 'Runs of jobs by how they ended; sleep and retry come back, dead is a dead letter.',
    labelNames: ['registry', 'outcome'],
    registers: [all],
  });
  const signatures = new Counter({
    name: 'autosign_signatures_total',
    help: 'Signatures that rules demand, by what became of each in one run.',
    labelNames: ['registry', 'rule', 'format', 'status'],
    registers: [all],
  });
  const failures = new Counter({
    name: 'autosign_failures_total',
    help: 'Failed runs of jobs by error code.',
    labelNames: ['code'],
    registers: [all],
  });
  const reconciles = new Gauge({
    name: 'autosign_last_reconcile_timestamp_seconds',
    help: 'When a registry was last compared with the rules from one end to the other.',
    labelNames: ['registry'],
    registers: [all],
  });
  const pauses = new Gauge({
    name: 'autosign_paused',
    help: '1 for each key or registry that is paused in this process; its jobs wait.',
    labelNames: ['scope', 'name'],
    registers: [all],
  });
  const queued = new Gauge({
    name: 'autosign_queue_jobs',
    help: 'Jobs in the queue by state.',
    labelNames: ['state'],
    registers: [all],
  });
  const deadLetters = new Gauge({
    name: 'autosign_dead_letters',
    help: 'Jobs that failed for good and wait for an operator; see "autosign dead list".',
    labelNames: [],
    registers: [all],
  });
  const nameOf = (registry: unknown) => (typeof registry === 'string' && isRegistry(registry) ? registry : 'other');

  async function readGauges(): Promise<void> {
    pauses.reset();
    for (const { scope, name } of paused()) pauses.set({ scope, name }, 1);
    // What cannot be read is absent: an old number would look like a true one.
    queued.reset();
    deadLetters.remove();
    const { failed = 0, ...states } = await jobCounts();
    deadLetters.set(failed);
    for (const [state, count] of Object.entries(states)) queued.set({ state }, count);
  }

  return {
    jobRan: (registry, outcome) => jobs.inc({ registry: nameOf(registry), outcome }),
    intentEnded: ({ registry, ...labels }) => signatures.inc({ registry: nameOf(registry), ...labels }),
    failed: (code) => failures.inc({ code }),
    reconciled: (registry, at) => reconciles.set({ registry }, at.getTime() / 1000),
    render: async () => {
      await readGauges().catch(() => undefined);
      return { contentType: all.contentType, text: await all.metrics() };
    },
  };
}
