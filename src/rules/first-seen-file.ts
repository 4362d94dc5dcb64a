import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const fileName = 'first-seen.json';
/** Of rules and registries; the oldest ones go first, and only cost a report after a loss of Redis. */
const entriesMax = 10_000;

const fileSchema = z.object({ version: z.literal(1), firstSeen: z.record(z.string(), z.iso.datetime()) });

/** When rules were first seen, as this process has kept it in the state directory. */
export interface FirstSeenFile {
  get(ruleIdentity: string, registry: string): Date | undefined;
  /** Keeps a time. Whoever reads meanwhile, or after a crash, finds the old file or the new one. */
  set(ruleIdentity: string, registry: string, at: Date): Promise<void>;
}

/** Opens the file; one that is missing, of another version or damaged is an empty one. */
export async function openFirstSeenFile(stateDir: string): Promise<FirstSeenFile> {
  const entries = await read(join(stateDir, fileName));
  let lastWrite: Promise<void> = Promise.resolve();
  return {
    get: (ruleIdentity, registry) => entries.get(`${ruleIdentity}:${registry}`),
    set: (ruleIdentity, registry, at) => {
      const key = `${ruleIdentity}:${registry}`;
      entries.delete(key);
      entries.set(key, at);
      const oldest = entries.size > entriesMax ? entries.keys().next().value : undefined;
      if (oldest !== undefined) entries.delete(oldest);
      // One after the other, so that an older state never replaces a newer one.
      lastWrite = lastWrite.catch(() => undefined).then(() => write(stateDir, entries));
      return lastWrite;
    },
  };
}

async function read(path: string): Promise<Map<string, Date>> {
  try {
    const kept = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return new Map(Object.entries(kept.firstSeen).map(([key, at]) => [key, new Date(at)]));
  } catch {
    return new Map();
  }
}

async function write(stateDir: string, entries: ReadonlyMap<string, Date>): Promise<void> {
  const firstSeen = Object.fromEntries([...entries].map(([key, at]) => [key, at.toISOString()]));
  await mkdir(stateDir, { recursive: true });
  // A name of its own: several processes may share the directory.
  const temporary = join(stateDir, `.${fileName}.${randomUUID()}`);
  try {
    await writeFile(temporary, JSON.stringify({ version: 1, firstSeen }), { mode: 0o600, flush: true });
    await rename(temporary, join(stateDir, fileName));
  } finally {
    await rm(temporary, { force: true });
  }
}
