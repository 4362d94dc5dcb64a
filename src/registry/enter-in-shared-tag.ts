import type { SubjectLock } from '../ports/subject-lock.ts';
import type { CallOptions } from './exchange.ts';

/** How often an entry that was lost is entered: once, and once again. */
const attemptsMax = 2;

/** A tag whose manifest lists the signatures of one image, and the entry that it is to have. */
export interface SharedTag<Content> {
  readonly lock: SubjectLock;
  readonly lockName: string;
  /** What the tag holds now. */
  read(options: CallOptions): Promise<Content>;
  isEntered(content: Content): boolean;
  /** Writes the content with the entry under the tag; what is not sent before the lock's deadline is not sent. */
  write(content: Content, options: CallOptions): Promise<void>;
}

/**
 * Reads, extends and writes the tag under the lock of the image, and reads it once more after that: programs that know
 * nothing of the lock may have written over ours.
 * @returns what the tag holds in the end, with the entry; undefined when the entry does not stay
 * @throws AutosignError `lock-lost`, and what reading and writing throw
 */
export async function enterInSharedTag<Content>(tag: SharedTag<Content>): Promise<Content | undefined> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    await tag.lock.hold(tag.lockName, async (signal, assertHeld) => {
      const content = await tag.read({ signal });
      if (!tag.isEntered(content)) await tag.write(content, { signal, beforeSend: assertHeld });
    });
    const content = await tag.read({});
    if (tag.isEntered(content)) return content;
  }
  return undefined;
}

/** The name of the lock of an image where all workers reach the registry by one host name. */
export function defaultLockName(host: string, repository: string, subject: string): string {
  return `referrers/${host}/${repository}@${subject}`;
}
