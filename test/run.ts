import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tiedToParent } from '../infra/processes/die-with-parent.ts';
import { ensureRequirements } from '../infra/requirements/ensure-requirements.ts';
import { goProgram, goPrograms, isCi } from './support/go-build.ts';
import { readTestCounts, summaryOf } from './support/test-counts.ts';

// `npm test [-- [--no-install] [arguments of vitest]]`: all tests, with what they need installed first.

const vitest = join(import.meta.dirname, '../node_modules/vitest/vitest.mjs');
const given = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'autosign-tests-'));
try {
  process.exitCode = await runTests(
    given.filter((argument) => argument !== '--no-install'),
    !given.includes('--no-install'),
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log(summaryOf({ passed: 0, failed: 1, skipped: 0 }));
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function runTests(vitestArguments: readonly string[], install: boolean): Promise<number> {
  const needed = ['redis-server', 'docker-registry', 'chromium', 'zsh', 'fish'] as const;
  await ensureRequirements({ needed, install, log: (line) => console.log(line) });
  const go = await haveGoPrograms();
  if (!go) console.log('Go is not installed: the tests that need its registry or its verifier are skipped');
  const report = join(directory, 'report.json');
  const exitCode = await runVitest([
    ...vitestArguments,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]);
  const counts = readTestCounts(report, exitCode);
  if (!go && counts.skipped > 0) console.log(`${counts.skipped} tests were skipped, for want of Go 1.26 or newer`);
  if (isCi() && counts.skipped > 0) console.error(`${counts.skipped} tests were skipped, and CI may skip none`);
  console.log(summaryOf(counts));
  return exitCode === 0 && counts.failed === 0 && !(isCi() && counts.skipped > 0) ? 0 : 1;
}

// Built here, so that a failing build is told once and before any test; the tests' set-up finds them again.
async function haveGoPrograms(): Promise<boolean> {
  for (const name of goPrograms) if ((await goProgram(name)) === undefined) return false;
  return true;
}

function runVitest(args: readonly string[]): Promise<number> {
  const tied = tiedToParent(process.execPath, [vitest, 'run', ...args]);
  const child = spawn(tied.command, tied.args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A Ctrl-C in a terminal reaches vitest by itself, and a second SIGINT would cut its tidying short.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}
