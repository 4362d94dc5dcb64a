import { type ErrorCode, failureTable } from '../domain/errors.ts';

/** What the process ends with; documented in every command's help and never renumbered. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** Usage or settings, the rules file included. */
  usage: 2,
  /** A signature is there and is invalid. */
  invalid: 3,
  notSigned: 4,
  noRule: 5,
  denied: 6,
  late: 7,
  unreachable: 8,
  /** Ended in order by a signal, and can be gone on with; what shells show for a Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const byErrorCode: Partial<Record<ErrorCode, ExitCode>> = {
  'kms-unreachable': exitCodes.unreachable,
  'redis-unreachable': exitCodes.unreachable,
  'registry-unreachable': exitCodes.unreachable,
  'signature-invalid': exitCodes.invalid,
  'signature-not-found': exitCodes.notSigned,
};

/** The exit code that a failure with this error code means. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  return byErrorCode[code] ?? (failureTable[code].kind === 'usage' ? exitCodes.usage : exitCodes.failed);
}
