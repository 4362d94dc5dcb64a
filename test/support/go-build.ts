import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../infra/processes/find-program.ts';

const interopDirectory = join(import.meta.dirname, '../interop');
const cacheDirectory = join(import.meta.dirname, '../../node_modules/.cache/autosign-go');
// A first build fetches the modules and compiles Go's own library; cosign, with all that it brings, takes a loaded
// machine of two cores most of this time.
const buildTimeoutMs = 1_200_000;

export const cosignVersion = 'v2.6.5';

/** Directories of modules below test/interop, by the programs whose main they hold; and cosign, which is published. */
const builds = {
  registry: { module: '.', sources: 'registry', arguments: ['build', './registry'] },
  'verify-notation': { module: '.', sources: 'verify-notation', arguments: ['build', './verify-notation'] },
  'containers-image': {
    module: 'containers-image',
    sources: '.',
    // Without the tag it wants GnuPG's C library, for signatures of another kind.
    arguments: ['build', '-tags', 'containers_image_openpgp', '.'],
  },
  'kms-client': { module: 'kms-client', sources: '.', arguments: ['build', '.'] },
  'cr-client': { module: 'cr-client', sources: '.', arguments: ['build', '.'] },
  // By itself: Alibaba's SDKs want old releases of what the others use.
  dkms: { module: 'dkms', sources: '.', arguments: ['build', '.'] },
  cosign: { module: undefined, arguments: ['install', `github.com/sigstore/cosign/v2/cmd/cosign@${cosignVersion}`] },
} as const;
export type GoProgram = keyof typeof builds;

/** Everything that tests need built. */
export const goPrograms = Object.keys(builds) as readonly GoProgram[];

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
  mkdirSync(unfinished, { recursive: true });
  const [verb, ...rest] = builds[name].arguments;
  // `go install` takes its target from GOBIN, `go build` from an option.
  const target = verb === 'build' ? ['-trimpath', '-buildvcs=false', '-o', join(unfinished, name)] : [];
  try {
    await promisify(execFile)('go', [verb, ...target, ...rest], {
      cwd: join(interopDirectory, builds[name].module ?? '.'),
      env: { ...process.env, GOBIN: unfinished },
      timeout: buildTimeoutMs,
    });
    renameSync(join(unfinished, name), path);
  } catch (cause) {
    const output = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause);
    throw new Error(`test/interop: ${name} does not build:\n${output}`, { cause });
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function sourcesHash(name: GoProgram): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  const wanted = builds[name];
  if (wanted.module === undefined) return hash.update(wanted.arguments.join(' ')).digest('hex').slice(0, 16);
  const directory = join(interopDirectory, wanted.module);
  for (const file of ['go.mod', 'go.sum', ...globSync(`${wanted.sources}/**/*.go`, { cwd: directory }).sort()]) {
    hash.update(file).update(readFileSync(join(directory, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
