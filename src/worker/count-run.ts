import type { Metrics } from '../observability/metrics.ts';
import type { JobVerdict } from './process-job.ts';

/**
 * Counts one run of a job: how it ended, what failed, and what became of each signature it was to make.
 * @param registry what the job's data says, believed by nobody
 */
export function countRun(registry: unknown, verdict: JobVerdict, isLastAttempt: boolean, metrics: Metrics): void {
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
  const outcome = 'outcome' in verdict ? verdict.outcome : undefined;
  if (outcome?.status !== 'examined') return;
  for (const { rules, format, status } of outcome.intents) {
    for (const rule of rules) metrics.intentEnded({ registry, rule, format, status });
  }
}
