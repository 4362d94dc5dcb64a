import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { startProcess } from '../../../infra/processes/start-process.ts';
import { directoryWith } from './run-command.ts';

const project = join(import.meta.dirname, '../../..');

/** Runs a command to its end, and tells the packages and the files below `src` that its process has loaded. */
export async function runRecorded(
  args: readonly string[],
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  env: Readonly<Record<string, string>> = {},
) {
  const file = join(directoryWith({}, onTestFinished), 'imports');
  const started = await startProcess({
    command: process.execPath,
    args: ['--import', join(project, 'test/support/record-imports.ts'), join(project, 'src/main.ts'), ...args],
    env: { ...env, RECORDED_IMPORTS: file },
    timeoutMs: 60_000,
  });
  const { code } = await started.exited;
  const urls = readFileSync(file, 'utf8').split('\n');
  const packages = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  return {
    code,
    output: started.stdout.join('\n'),
    packages: [...new Set(packages)],
    sources: urls.flatMap((url) => /\/src\/(.*)$/.exec(url)?.[1] ?? []),
  };
}
