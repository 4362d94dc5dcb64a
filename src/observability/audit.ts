import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AutosignError } from '../domain/errors.ts';

/** One line of the audit file. */
export type AuditEntry = KeyUseEntry | OperatorEntry;

/** `intent` comes before the key is asked, `outcome` after; both carry the intent's id. */
interface KeyUseEntry {
  readonly kind: 'intent' | 'outcome';
  readonly intent: string;
  readonly [field: string]: unknown;
}

/** What somebody asked for at `/ops`, before it is done. */
interface OperatorEntry {
  readonly kind: 'operator';
  readonly user: string;
  readonly action: 'retry-dead-letter';
  readonly [field: string]: unknown;
}

/** The record of every use of a key, and of what operators do. */
export interface AuditLog {
  /** @throws AutosignError `audit-unwritable`: what cannot be recorded is not done. */
  write(entry: AuditEntry): Promise<void>;
  close(): Promise<void>;
}

/** A file of JSON lines, opened for appending, so that several processes may share it. */
export async function openAuditLog(file: string, now: () => Date): Promise<AuditLog> {
  const refuse = (cause: unknown): never => {
    throw new AutosignError(
      'audit-unwritable',
      `The audit file ${file} cannot be written, so nothing is signed. Check AUTOSIGN_STATE_DIR, its owner and free space.`,
      { cause },
    );
  };
  const handle = await mkdir(dirname(file), { recursive: true })
    .then(() => open(file, 'a', 0o640))
    .catch(refuse);
  let waiting = '';
  let nextWrite: Promise<void> | undefined;
  let lastWrite: Promise<unknown> = Promise.resolve();

  async function writeWaiting(): Promise<void> {
    const lines = waiting;
    [waiting, nextWrite] = ['', undefined];
    // Whole lines in one write: the kernel keeps appended texts of several processes apart.
    await handle.appendFile(lines).catch(refuse);
  }

  return {
    // Entries that come while a write is under way go out together in the next one; each caller waits for its own.
    write: (entry) => {
      waiting += `${JSON.stringify({ time: now().toISOString(), ...entry })}\n`;
      nextWrite ??= lastWrite.then(writeWaiting);
      lastWrite = nextWrite.catch(() => undefined);
      return nextWrite;
    },
    close: async () => {
      await lastWrite;
      await handle.close();
    },
  };
}
