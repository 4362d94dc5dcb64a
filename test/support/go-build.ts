import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../infra/processes/find-program.ts';

const moduleDirectory = join(import.meta.dirname, '../interop');
const cacheDirectory = join(import.meta.dirname, '../../node_modules/.cache/autosign-go');
// A first build fetches the modules and compiles Go's own library; a loaded machine of two cores needs minutes.
const buildTimeoutMs = 600_000;

/** The directories below test/interop that hold a program's main. */
export const goPrograms = ['registry', 'verify-notation'] as const;
export type GoProgram = (typeof goPrograms)[number];

/**
 * The path of the built program: built once for the sources as they are, then found again. Undefined when Go is not
 * installed; with CI set that is an error instead, since nothing may be skipped there.
 * @throws Error with the compiler's output when it does not build
 */
export async function goProgram(name: GoProgram): Promise<string | undefined> {
  const path = join(cacheDirectory, sourcesHash(name), name);
  if (existsSync(path)) return path;
  if (findProgram('go') === undefined) {
    if (isCi()) throw new Error('Go is not installed, and CI may skip no test: install Go 1.26 or newer');
    return undefined;
  }
  await build(name, path);
  return path;
}

/** Whether the environment says that this is a CI run: unset, empty, `0` and `false` say no. */
export function isCi(): boolean {
  return !['', '0', 'false'].includes(process.env['CI'] ?? '');
}

// Under a name of its own, then renamed: runs that build at the same time never see half a program.
async function build(name: GoProgram, path: string): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  mkdirSync(join(path, '..'), { recursive: true });
  try {
    await promisify(execFile)('go', ['build', '-trimpath', '-buildvcs=false', '-o', unfinished, `./${name}`], {
      cwd: moduleDirectory,
      timeout: buildTimeoutMs,
    });
    renameSync(unfinished, path);
  } catch (cause) {
    rmSync(unfinished, { force: true });
    const output = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause);
    throw new Error(`test/interop/${name} does not build:\n${output}`, { cause });
  }
}

function sourcesHash(name: GoProgram): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of ['go.mod', 'go.sum', ...globSync(`${name}/**/*.go`, { cwd: moduleDirectory }).sort()]) {
    hash.update(file).update(readFileSync(join(moduleDirectory, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
