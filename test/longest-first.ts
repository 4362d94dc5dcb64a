import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// By their times on two cores. Begun last, one of them alone would make the whole run a minute longer.
const longest: readonly string[] = [
  'backfill.test.ts',
  'redis.test.ts',
  'cluster.test.ts',
  'ops.test.ts',
  'cosign.test.ts',
  'status.test.ts',
  'scenarios.test.ts',
  'random-kills.test.ts',
  'between-requests.test.ts',
  'crash-points.test.ts',
  'acr.test.ts',
  'same-digest.test.ts',
  'shutdown.test.ts',
  'frozen-worker.test.ts',
  'several-queues.test.ts',
  'outages.test.ts',
  'notation.test.ts',
  'existing.test.ts',
];

/** The order of test files: those that take longest first, the others as vitest would have them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = longest.indexOf(basename(moduleId));
  return rank < 0 ? longest.length : rank;
}
