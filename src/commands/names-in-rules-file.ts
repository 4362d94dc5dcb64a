import { readFile } from 'node:fs/promises';
import { parseYaml } from '../rules/yaml-document.ts';

// A line of a terminal, not a program, reads what is found.
const plainName = /^[\w.-]{1,64}$/;

/**
 * The names in one section of a rules file, as far as they can be read: whoever is writing it is not disturbed by what
 * is wrong with it. The files that it includes are not read.
 */
export async function readNames(file: string, section: 'registries' | 'keys' | 'rules'): Promise<readonly string[]> {
  const bytes = await readFile(file).catch(() => undefined);
  const document = bytes === undefined ? undefined : parseYaml(file, bytes);
  if (document === undefined || 'problems' in document) return [];
  const entries: unknown = (document.value as Readonly<Record<string, unknown>> | null)?.[section];
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry: unknown) =>
    typeof entry === 'object' && entry !== null && 'name' in entry && isPlain(entry.name) ? [entry.name] : [],
  );
}

function isPlain(name: unknown): name is string {
  return typeof name === 'string' && plainName.test(name);
}
