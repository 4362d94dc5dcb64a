import type { Metrics } from '../observability/metrics.ts';
import type { SignJob } from '../queue/sign-job.ts';
import type { ImageOutcome } from '../signing/outcome.ts';
import type { JobVerdict } from './process-job.ts';

export interface CountedRun {
  /** What Redis holds, believed by nobody. */
  readonly data: Partial<SignJob> | undefined;
  readonly verdict: JobVerdict;
  readonly isLastAttempt: boolean;
  readonly endedAt: Date;
}

/** Counts one run of a job: how it ended, what failed, what became of each signature it was to make, and how soon. */
export function countRun({ data, verdict, isLastAttempt, endedAt }: CountedRun, metrics: Metrics): void {
  const registry = data?.registry;
  switch (verdict.next) {
    case 'done':
      metrics.jobRan(registry, verdict.outcome.status);
      break;
    case 'sleep':
      metrics.jobRan(registry, 'sleep');
      break;
    case 'retry':
    case 'give-up':
      metrics.failed(verdict.error.code);
      metrics.jobRan(registry, verdict.next === 'give-up' || isLastAttempt ? 'dead' : 'retry');
      break;
  }
  if (verdict.outcome?.status !== 'examined') return;
  for (const { rules, format, status, code } of verdict.outcome.intents) {
    for (const rule of rules) metrics.intentEnded({ registry, rule, format, status, code });
  }
  const seconds = signedAfterSeconds(data, verdict.outcome, endedAt);
  if (seconds !== undefined) metrics.pushSigned(registry, seconds);
}

/** How long after the receipt of a push its image was signed, when this run signed it. */
function signedAfterSeconds(
  data: Partial<SignJob> | undefined,
  outcome: Extract<ImageOutcome, { readonly status: 'examined' }>,
  endedAt: Date,
): number | undefined {
  const cause = data?.cause;
  if (cause?.kind !== 'push' || outcome.intents.every(({ status }) => status !== 'signed')) return undefined;
  const seconds = (endedAt.getTime() - Date.parse(cause.receivedAt)) / 1000;
  return Number.isNaN(seconds) ? undefined : seconds;
}
