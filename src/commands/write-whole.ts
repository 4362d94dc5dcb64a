import { randomUUID } from 'node:crypto';
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AutosignError } from '../domain/errors.ts';

/**
 * Writes a file as a whole: whoever reads it meanwhile, or after a crash, finds the old text or the new one.
 * @throws AutosignError `usage` when it is there and may not be replaced, or cannot be written
 */
export async function writeWhole(file: string, text: string, { replace }: { readonly replace: boolean }) {
  const temporary = join(dirname(file), `.${basename(file)}.${randomUUID()}`);
  try {
    await writeFile(temporary, text, { flag: 'wx', mode: 0o644, flush: true });
    if (replace) await rename(temporary, file);
    // A link is never made over what is there, whenever that came.
    else await link(temporary, file);
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    const why = exists
      ? 'is there already and is not overwritten. Name another file, or use --force.'
      : 'cannot be written. Check the folder and who may write there.';
    throw new AutosignError('usage', `${file} ${why}`, { cause });
  } finally {
    await rm(temporary, { force: true });
  }
}
