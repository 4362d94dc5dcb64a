import type { ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';

const running = new Set<ChildProcess>();
const directories = new Set<string>();
let listening = false;

// Part of util-linux, which Debian marks as essential.
const setpriv = '/usr/bin/setpriv';

/**
 * The command line that makes the kernel kill the child when this process dies, even by SIGKILL, when no handler of
 * ours runs (prctl(2), PR_SET_PDEATHSIG). Without setpriv (not Linux) only the handler of `killAtExit` remains.
 */
export function tiedToParent(command: string, args: readonly string[]): { command: string; args: string[] } {
  if (process.platform !== 'linux' || !existsSync(setpriv)) return { command, args: [...args] };
  return { command: setpriv, args: ['--pdeathsig', 'KILL', '--', command, ...args] };
}

/** Kills `child` and its process group when this process exits; forgets it once the child itself has exited. */
export function killAtExit(child: ChildProcess): void {
  listen();
  running.add(child);
  child.once('exit', () => running.delete(child));
}

/** Removes the temporary `directory` when this process exits, unless `removeDirectory` did before. */
export function removeAtExit(directory: string): void {
  listen();
  directories.add(directory);
}

/** Removes a directory given to `removeAtExit` now. */
export function removeDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** Sends `signal` to the process group that `child` leads; a group that is gone already is no error. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function listen(): void {
  if (listening) return;
  listening = true;
  process.on('exit', () => {
    for (const child of running) signalGroup(child, 'SIGKILL');
    for (const directory of directories) removeDirectory(directory);
  });
}
