import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * The command line of each running process that keeps its temporary files below `directory` (TMPDIR, which children
 * inherit) or works there (Redis overwrites the memory that shows its environment).
 */
export function processesWithin(directory: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const workingDirectory = readlinkSync(`/proc/${pid}/cwd`);
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        const places = [`TMPDIR=${workingDirectory}`, ...environment];
        if (!places.some((place) => place.startsWith(`TMPDIR=${directory}`))) return [];
        // A process that has ended and waits for its parent has no command line.
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return command === '' ? [] : [command];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
