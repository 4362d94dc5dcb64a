import { below, type Entry, type Place, problemAt } from './entry.ts';
import type { Problem } from './problem.ts';
import type { DefaultsEntry } from './rules-file-schema.ts';

// What the file may say one day and this version cannot do yet is refused: a value that were ignored would make
// somebody believe in signatures that nobody makes.

/** The options that a rule and `defaults` share. */
export function checkOptionsSupported(options: Entry<DefaultsEntry>): readonly Problem[] {
  const { formats = [], platforms, envelope, expiry, timestamp, cosign } = options.value;
  const problems = formats.flatMap((format, index) =>
    format === 'attestation'
      ? [notYet(below(options, 'formats', index), 'the format attestation', 'use notation or cosign')]
      : [],
  );
  if (platforms === 'all') problems.push(notYet(below(options, 'platforms'), 'platforms: all', 'use index'));
  if (envelope === 'cose') problems.push(notYet(below(options, 'envelope'), 'envelope: cose', 'use jws'));
  if (expiry !== undefined) problems.push(notYet(below(options, 'expiry'), 'expiry', 'leave it out'));
  if (timestamp !== undefined) problems.push(notYet(below(options, 'timestamp'), 'timestamp', 'leave it out'));
  if (cosign === 'bundle') problems.push(notYet(below(options, 'cosign'), 'cosign: bundle', 'use tag'));
  return problems;
}

function notYet(place: Place, what: string, advice: string): Problem {
  return problemAt(place, `${what} is not supported yet; ${advice}`);
}
