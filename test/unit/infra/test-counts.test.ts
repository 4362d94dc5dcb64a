import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTestCounts, summaryOf } from '../../support/test-counts.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'autosign-test-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('counts passed, failed and skipped tests', async () => {
  const path = await report({ numPassedTests: 3, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 });
  expect(readTestCounts(path, 1)).toEqual({ passed: 3, failed: 2, skipped: 2 });
});

test('counts a file that could not be loaded as a failure', async () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{ status: 'failed' }] },
  ];
  const path = await report({ numFailedTests: 1, testResults });
  expect(readTestCounts(path, 1).failed).toBe(2);
});

test('counts a run that failed for another reason, or wrote no report, as a failure', async () => {
  expect(readTestCounts(await report({ numPassedTests: 3 }), 1)).toEqual({ passed: 3, failed: 1, skipped: 0 });
  expect(readTestCounts(join(directory, 'missing.json'), 1).failed).toBe(1);
});

test('ends with "N passed, N failed", and names the skipped only when there are any', () => {
  expect(summaryOf({ passed: 5, failed: 0, skipped: 0 })).toBe('5 passed, 0 failed');
  expect(summaryOf({ passed: 5, failed: 1, skipped: 2 })).toBe('5 passed, 1 failed, 2 skipped');
});

async function report(counts: object): Promise<string> {
  const none = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  const path = join(directory, 'report.json');
  await writeFile(path, JSON.stringify({ ...none, ...counts }));
  return path;
}
