import { AutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type OpsUsers, parseUsersFile } from './users-file.ts';

/** Who may log in, following the file. */
export interface UserSource {
  /** Looks at the file when the last look is older than a second; a wrong file changes nothing. */
  current(): Promise<OpsUsers>;
}

export interface UserSourceOptions {
  /** Absolute path. */
  readonly file: string;
  readonly readTextFile: (file: string) => Promise<string>;
  readonly clock: Clock;
  /** Called once for each new state of the file that is refused. */
  readonly onRefused: (error: AutosignError) => void;
}

// Somebody who was taken out of the file is out within this time.
const lookMs = 1_000;

/**
 * Opens the users file.
 * @throws AutosignError `settings-invalid` when it cannot be read or is wrong
 */
export async function openUserSource({ file, readTextFile, clock, onRefused }: UserSourceOptions): Promise<UserSource> {
  const look = async () => parseUsersFile(await readTextFile(file).catch((cause) => unreadable(file, cause)), file);
  let users = await look();
  let lookedAt = clock.now().getTime();
  let refused: string | undefined;
  let looking: Promise<void> | undefined;

  async function lookAgain(): Promise<void> {
    try {
      users = await look();
      refused = undefined;
    } catch (error) {
      if (!(error instanceof AutosignError)) throw error;
      if (error.message !== refused) onRefused(error);
      refused = error.message;
    } finally {
      lookedAt = clock.now().getTime();
      looking = undefined;
    }
  }

  return {
    current: async () => {
      if (clock.now().getTime() - lookedAt < lookMs) return users;
      looking ??= lookAgain();
      await looking;
      return users;
    },
  };
}

function unreadable(file: string, cause: unknown): never {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed';
  throw new AutosignError(
    'settings-invalid',
    `AUTOSIGN_OPS_USERS_FILE: ${file} cannot be read (${code}). Correct the path, or make the file readable for the worker.`,
    { cause },
  );
}
