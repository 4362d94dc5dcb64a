import { resolve } from 'node:path';
import type { FileAccess } from './file-access.ts';

/** Passes everything on and remembers each answer. */
export interface RecordedAccess extends FileAccess {
  /** What was read, by absolute path. */
  readonly bytes: ReadonlyMap<string, Uint8Array>;
  /** Whether everything that was asked for, answers and failures, would be answered the same now. */
  isCurrent(): Promise<boolean>;
}

/**
 * What is loaded follows from the answers alone, so nothing needs to be parsed again while they stay the same: a file
 * of a thousand rules would take the process half a second at each look.
 */
export function recordAccess(access: FileAccess): RecordedAccess {
  const bytes = new Map<string, Uint8Array>();
  const questions: { readonly ask: () => Promise<string>; readonly answer: string }[] = [];

  async function record<T>(question: () => Promise<T>, describe: (answer: T) => string): Promise<T> {
    const ask = (): Promise<string> => question().then(describe, (error: unknown) => `failed: ${String(error)}`);
    try {
      const answer = await question();
      questions.push({ ask, answer: describe(answer) });
      return answer;
    } catch (error) {
      questions.push({ ask, answer: `failed: ${String(error)}` });
      throw error;
    }
  }

  return {
    bytes,
    readFile: async (path, bytesMax) => {
      const content = await record(
        () => access.readFile(path, bytesMax),
        (answer) => Buffer.from(answer).toString('base64'),
      );
      bytes.set(resolve(path), content);
      return content;
    },
    listDirectory: (path) =>
      record(
        () => access.listDirectory(path),
        (names) => JSON.stringify(names.toSorted()),
      ),
    isCurrent: async () => {
      for (const { ask, answer } of questions) {
        if ((await ask()) !== answer) return false;
      }
      return true;
    },
  };
}
