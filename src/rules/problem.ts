import { AutosignError } from '../domain/errors.ts';

/** One thing that is wrong in a rules file; `line` counts from 1, `message` says what is wrong and what to do. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  /** Path within the file, like `rules[0].tags.include[1]`; empty for the file as a whole. */
  readonly field: string;
  readonly message: string;
}

/** A path within a rules file: keys and indexes. */
export type FieldPath = readonly (string | number)[];

/** `rules[0].tags.include[1]`. */
export function formatField(path: FieldPath): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

/** `file:line: field: what is wrong; what to do`. */
export function formatProblem(problem: Problem): string {
  const field = problem.field === '' ? '' : `${problem.field}: `;
  return `${problem.file}:${problem.line}: ${field}${problem.message}`;
}

/** All problems as one error `rules-invalid`, one line each. */
export function rulesInvalid(problems: readonly Problem[]): AutosignError {
  return new AutosignError('rules-invalid', problems.map(formatProblem).join('\n'));
}
