import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { killAtExit, signalGroup, tiedToParent } from './die-with-parent.ts';
import { findProgram } from './find-program.ts';
import { collectLines, type OutputLines } from './output-lines.ts';
import { waitUntilReady } from './wait-until-ready.ts';

/** When a process counts as started: a line of its output, or a 2xx answer of a URL. Absent: at once. */
type Readiness = { readonly line: (line: string) => boolean } | { readonly url: string };

export interface ProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to PATH, HOME, TMPDIR and LANG. Nothing else of our environment reaches the child, so no credential does. */
  readonly env?: Readonly<Record<string, string>>;
  readonly directory?: string;
  readonly ready?: Readiness;
  /** How long the process may take to become ready, in milliseconds. */
  readonly timeoutMs: number;
  /** A file to which all output is appended. */
  readonly logFile?: string;
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running child process that dies with this one. */
export interface RunningProcess {
  readonly pid: number;
  /** The newest lines of each stream, at most 20,000. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** Resolved when the process has ended and its output is read; never rejected. */
  readonly exited: Promise<Exit>;
  /** The first line, past or future, of either stream that fits; rejected after `timeoutMs` or when the process ends without it. */
  waitForLine(fits: (line: string) => boolean, timeoutMs: number): Promise<string>;
  /** Writes to the standard input. */
  write(text: string): void;
  /** Ends the standard input. */
  endInput(): void;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL to the whole process group after `deadlineMs` (default 10,000). Safe to call twice. */
  stop(deadlineMs?: number): Promise<Exit>;
}

// Enough for the whole log of a test; a bound, so that a child that babbles does not eat our memory.
const linesMax = 20_000;
// Redis with AOF and the worker's own shutdown both end well below this.
const stopDeadlineMs = 10_000;

/**
 * Starts a process in a process group of its own (a Ctrl-C in the terminal reaches us, and we stop it in order) and
 * waits until it is ready.
 * @throws Error with the last lines of its output when it ends or stays silent before it is ready
 */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const program = findProgram(options.command, options.env?.['PATH']);
  if (program === undefined) throw new Error(`${options.command} is not there, or may not be run`);
  const { command, args } = tiedToParent(program, options.args ?? []);
  const child = spawn(command, args, {
    cwd: options.directory,
    env: { ...bareEnvironment(), ...options.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  killAtExit(child);
  // A child that ends while we write to it is reported by `exited`, not by a crash of ours.
  child.stdin.on('error', () => {});
  if (options.logFile !== undefined) copyToFile(child, options.logFile);
  const output = { stdout: collectLines(child.stdout, linesMax), stderr: collectLines(child.stderr, linesMax) };
  const started = handle(child, output);
  try {
    await spawned(child, options.command);
    await waitUntilReady(started, options);
  } catch (error) {
    await started.stop(0);
    throw error;
  }
  return started;
}

function handle(child: ChildProcess, output: { stdout: OutputLines; stderr: OutputLines }): RunningProcess {
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    // A command that could not be started at all never closes.
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  return {
    pid: child.pid ?? 0,
    stdout: output.stdout.lines,
    stderr: output.stderr.lines,
    exited,
    waitForLine: (fits, timeoutMs) => waitForLine([output.stdout, output.stderr], exited, fits, timeoutMs),
    write: (text) => child.stdin?.write(text),
    endInput: () => child.stdin?.end(),
    kill: (signal) => child.kill(signal),
    stop: async (deadlineMs = stopDeadlineMs) => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), deadlineMs);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
}

function waitForLine(
  outputs: readonly OutputLines[],
  exited: Promise<Exit>,
  fits: (line: string) => boolean,
  timeoutMs: number,
): Promise<string> {
  const past = outputs.flatMap((output) => output.lines).find(fits);
  if (past !== undefined) return Promise.resolve(past);
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      for (const output of outputs) output.listeners.delete(listener);
    };
    const fail = (reason: string): void => {
      end();
      const tail = outputs.flatMap((output) => output.lines.slice(-20)).join('\n');
      reject(new Error(`${reason}; its last lines:\n${tail}`));
    };
    const listener = (line: string): void => {
      if (!fits(line)) return;
      end();
      resolve(line);
    };
    const timer = setTimeout(() => fail(`the process did not write the expected line in ${timeoutMs} ms`), timeoutMs);
    for (const output of outputs) output.listeners.add(listener);
    void exited.then(({ code, signal }) =>
      fail(`the process ended (${signal ?? `code ${code}`}) before the expected line`),
    );
  });
}

function spawned(child: ChildProcess, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new Error(`${command} could not be started: ${cause.message}`, { cause })));
  });
}

function bareEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LANG'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

function copyToFile(child: ChildProcess, path: string): void {
  const file = createWriteStream(path, { flags: 'a' });
  child.stdout?.pipe(file, { end: false });
  child.stderr?.pipe(file, { end: false });
  child.once('close', () => file.end());
}
