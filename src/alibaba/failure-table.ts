import type { ErrorCode } from '../domain/errors.ts';

/** What an error of Alibaba Cloud means for us, and what the operator does about it. */
export interface FailureMeaning {
  readonly code: ErrorCode;
  readonly advice: string;
}

/** Reads an error of one product: what its code means, and what it means that there was no answer. */
export interface FailureReader {
  /** What `code`, as the product answers it, means. */
  meaningOf(code: string, status: number, action: string): FailureMeaning;
  readonly unreachable: FailureMeaning;
}

/** A pattern is an exact code, or a prefix that ends in ".*". */
export type FailureRow = readonly [pattern: string, code: ErrorCode, advice: string];

/** The meaning that the first row of a table gives to `code`. */
export function firstThatFits(rows: readonly FailureRow[], code: string): FailureMeaning | undefined {
  const row = rows.find(([pattern]) =>
    pattern.endsWith('.*') ? code.startsWith(pattern.slice(0, -1)) : code === pattern,
  );
  return row && { code: row[1], advice: row[2] };
}
