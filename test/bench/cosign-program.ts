import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const cosignVersion = 'v2.6.5';
const binDirectory = join(import.meta.dirname, `../../node_modules/.cache/autosign-go/cosign-${cosignVersion}`);
// It fetches and compiles some hundred modules; three minutes on two idle cores.
const buildTimeoutMs = 1_800_000;

/** The path of cosign, built once by `go install`. */
export async function cosignProgram(): Promise<string> {
  const path = join(binDirectory, 'cosign');
  if (existsSync(path)) return path;
  const env = { ...process.env, GOBIN: binDirectory };
  const module = `github.com/sigstore/cosign/v2/cmd/cosign@${cosignVersion}`;
  await promisify(execFile)('go', ['install', '-trimpath', module], { env, timeout: buildTimeoutMs });
  return path;
}
