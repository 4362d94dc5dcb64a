import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAutosign } from '../../../infra/demo/autosign.ts';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the product as a user would, in a process with nothing of our environment but PATH, to its end. */
export async function runCommand(args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
  const started = await startAutosign({ args, env });
  const { code } = await started.exited;
  return { code, stdout: started.stdout.join('\n'), stderr: started.stderr.join('\n') };
}

/** A directory with these files, removed at the end of the test whose `onTestFinished` is given. */
export function directoryWith(files: Record<string, string>, atEnd: (cleanUp: () => void) => void): string {
  const directory = mkdtempSync(join(tmpdir(), 'autosign-command-'));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}
