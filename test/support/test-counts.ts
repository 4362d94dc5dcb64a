import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

// What vitest's JSON reporter writes, as far as it is counted here (it follows the format of Jest's).
const Report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
});

/**
 * Reads the report at `path`. A file that failed without a failed test in it (it could not be loaded, or a hook
 * failed) counts as one failure, and so does a run that failed for a reason the report does not show.
 */
export function readTestCounts(path: string, exitCode: number): TestCounts {
  const broken = { passed: 0, failed: 1, skipped: 0 };
  if (!existsSync(path)) return broken;
  const report = Report.parse(JSON.parse(readFileSync(path, 'utf8')));
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** The last line of a run: `N passed, N failed`, and how many were skipped when any were. */
export function summaryOf({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
