import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';

/** How rules files are reached: the disk, or a copy kept of them. */
export interface FileAccess {
  /** The bytes of a file, of which no more than `bytesMax` and one are read. */
  readFile(path: string, bytesMax: number): Promise<Uint8Array>;
  /** The names in a directory, in any order. */
  listDirectory(path: string): Promise<readonly string[]>;
}

export const diskAccess: FileAccess = {
  readFile: async (path, bytesMax) => {
    const chunks: Buffer[] = [];
    // `end` is inclusive: one byte more than allowed shows that the file is too large, whatever its size claims.
    for await (const chunk of createReadStream(path, { end: bytesMax })) chunks.push(chunk);
    return Buffer.concat(chunks);
  },
  listDirectory: (path) => readdir(path),
};
