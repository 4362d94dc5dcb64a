import { join } from 'node:path';
import { type RunningProcess, startProcess } from '../processes/start-process.ts';

const sources = join(import.meta.dirname, '../../src/main.ts');
// Node keeps what it compiled here, which halves the start of the next process from these sources.
const compileCache = join(import.meta.dirname, '../../node_modules/.cache/autosign-node');
const commandTimeoutMs = 60_000;

export interface AutosignRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly directory?: string;
  readonly logFile?: string;
  /** The entry of the command line; absent: the sources, whose types Node strips. */
  readonly main?: string;
  /** How long a command that ends by itself may take, in milliseconds; a minute when absent. */
  readonly timeoutMs?: number;
}

/** Starts a command of the product as a user would, in a process of its own. */
export function startAutosign({ args, main = sources, env, ...options }: AutosignRun): Promise<RunningProcess> {
  return startProcess({
    command: process.execPath,
    args: [main, ...args],
    env: { NODE_COMPILE_CACHE: compileCache, ...env },
    ...options,
    timeoutMs: commandTimeoutMs,
  });
}

/** Runs a command to its end and gives its standard output; an exit code that is not `expected` is an error. */
export async function runAutosign(run: AutosignRun, expected: readonly number[] = [0]): Promise<string> {
  const started = await startAutosign(run);
  const timer = setTimeout(() => void started.stop(0), run.timeoutMs ?? commandTimeoutMs);
  const { code } = await started.exited;
  clearTimeout(timer);
  const output = started.stdout.join('\n');
  if (code !== null && expected.includes(code)) return output;
  throw new Error(`autosign ${run.args.join(' ')} ended with ${code}:\n${output}\n${started.stderr.join('\n')}`);
}
