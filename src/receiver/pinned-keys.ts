import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../ports/clock.ts';
import { readPublicKeys } from './read-public-keys.ts';

/** The keys in a file of the operator's. */
export interface PinnedKeys {
  /** @throws Error that says why the file gives none */
  get(file: string): Promise<readonly KeyObject[]>;
}

/** Reads each file again after `keptMs`, so that a new certificate needs no restart. */
export function createPinnedKeys({ clock, keptMs }: { readonly clock: Clock; readonly keptMs: number }): PinnedKeys {
  // As many as the rules name.
  const kept = new Map<string, { readonly keys: Promise<readonly KeyObject[]>; readonly until: number }>();
  return {
    get: async (file) => {
      const now = clock.now().getTime();
      const found = kept.get(file);
      if (found !== undefined && now < found.until) return found.keys;
      const keys = readFile(file, 'utf8').then(readPublicKeys);
      kept.set(file, { keys, until: now + keptMs });
      return keys;
    },
  };
}
