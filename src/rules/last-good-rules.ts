import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { FileAccess } from './file-access.ts';

/** The bytes of rules files by absolute path. */
export type RulesBytes = ReadonlyMap<string, Uint8Array>;

const fileName = 'last-good-rules.json';

const lastGoodSchema = z.object({
  version: z.literal(1),
  files: z.array(z.object({ path: z.string(), base64: z.base64() })),
});

/**
 * Keeps the bytes of rules files. Whoever reads meanwhile, or after a crash, finds the old copy
 * or the new one.
 */
export async function saveLastGood(stateDir: string, bytes: RulesBytes): Promise<void> {
  const files = Array.from(bytes, ([path, content]) => ({ path, base64: Buffer.from(content).toString('base64') }));
  const content = JSON.stringify({ version: 1, files } satisfies z.infer<typeof lastGoodSchema>);
  await mkdir(stateDir, { recursive: true });
  // A name of its own: several processes may share the directory.
  const temporary = join(stateDir, `.${fileName}.${randomUUID()}`);
  try {
    await writeFile(temporary, content, { mode: 0o600, flush: true });
    await rename(temporary, join(stateDir, fileName));
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * The kept copy, to be loaded like the files themselves; undefined when there is none. Paths are part of it: of a rules
 * file that stood elsewhere nothing is found.
 */
export async function openLastGood(stateDir: string): Promise<FileAccess | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(join(stateDir, fileName), 'utf8'));
    const kept = lastGoodSchema.parse(content);
    return accessTo(new Map(kept.files.map(({ path, base64 }) => [path, Buffer.from(base64, 'base64')])));
  } catch {
    // Missing, of another version or damaged is the same: there is nothing to fall back to.
    return undefined;
  }
}

function accessTo(bytes: RulesBytes): FileAccess {
  return {
    readFile: async (path) => {
      const content = bytes.get(resolve(path));
      if (content === undefined) throw new Error('it is not in the kept copy');
      return content;
    },
    // Levels above the files are listed too, when a pattern has a star in a directory's name.
    listDirectory: async (path) => {
      const prefix = join(resolve(path), '/');
      const names = [...bytes.keys()].filter((kept) => kept.startsWith(prefix));
      return [...new Set(names.map((kept) => kept.slice(prefix.length).split('/')[0] ?? ''))];
    },
  };
}
