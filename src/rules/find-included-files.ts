import { dirname, join, normalize, resolve } from 'node:path';
import { below, problemAt } from './entry.ts';
import type { FileAccess } from './file-access.ts';
import { matchesGlob } from './glob.ts';
import type { Problem } from './problem.ts';
import type { YamlDocument } from './yaml-document.ts';

/** A file that `include` names, and the line that names it first. */
interface IncludedFile {
  readonly file: string;
  /** Index in the list `include`. */
  readonly index: number;
}

/** More are no harm to the program but a sign that a pattern matches what was not meant. */
const includedFilesMax = 100;

/**
 * The files that the list `include` of the main file names, each once, by name within one pattern. A pattern may match
 * nothing, so that teams can come later; a plain name is taken as it is, and reading it tells when it is not there.
 */
export async function findIncludedFiles(
  main: YamlDocument,
  include: readonly string[],
  access: FileAccess,
): Promise<{ readonly files: readonly IncludedFile[]; readonly problems: readonly Problem[] }> {
  const files = new Map<string, IncludedFile>();
  const problems: Problem[] = [];
  for (const [index, pattern] of include.entries()) {
    const fail = (message: string): number =>
      problems.push(problemAt(below({ document: main, path: ['include'] }, index), message));
    if (pattern.includes('**')) {
      fail('holds "**"; an included path has * within one level only');
      continue;
    }
    try {
      for (const file of await expandPattern(join(dirname(main.file), '.'), pattern, access)) {
        if (resolve(file) !== resolve(main.file)) files.set(resolve(file), files.get(resolve(file)) ?? { file, index });
        else if (!pattern.includes('*')) fail('is this file itself; leave it out');
      }
    } catch (error) {
      fail(`cannot be listed: ${(error as Error).message}; correct the path`);
    }
  }
  if (files.size > includedFilesMax) {
    const message = `names ${files.size} files, more than ${includedFilesMax}; join some`;
    problems.push(problemAt({ document: main, path: ['include'] }, message));
  }
  return { files: problems.length === 0 ? [...files.values()] : [], problems };
}

/** Walks the pattern level by level; what stands before the first star is taken as it is, the rest is listed. */
async function expandPattern(base: string, pattern: string, access: FileAccess): Promise<readonly string[]> {
  let paths = [pattern.startsWith('/') ? '/' : base];
  let hadStar = false;
  for (const level of normalize(pattern).split('/')) {
    if (!hadStar && !level.includes('*')) {
      paths = paths.map((path) => join(path, level));
      continue;
    }
    // Not everything that a star finds is a directory, or has the next level.
    const otherwise = hadStar ? ignoreMissing : undefined;
    const listed = await Promise.all(paths.map((path) => listMatching(path, level, access).catch(otherwise)));
    paths = listed.flat();
    hadStar = true;
  }
  return paths;
}

function ignoreMissing(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code === 'ENOTDIR' || error.code === 'ENOENT') return [];
  throw error;
}

/**
 * A star does not stand for a dot at the beginning: a mounted ConfigMap holds the real files a second time in
 * directories of such names.
 */
async function listMatching(directory: string, pattern: string, access: FileAccess): Promise<readonly string[]> {
  const names = await access.listDirectory(directory);
  return names
    .filter((name) => (!name.startsWith('.') || pattern.startsWith('.')) && matchesGlob(pattern, name))
    .sort()
    .map((name) => join(directory, name));
}
