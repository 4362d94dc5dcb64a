/**
 * What a failure means for the job, and so what happens next:
 * - `retry`: the same attempt may succeed later; it uses up one attempt.
 * - `image`: wrong for this image; trying again changes nothing, the job ends in the dead letters.
 * - `surroundings`: wrong around the image (key, role, registry login, audit file); the job waits without using an attempt.
 * - `usage`: wrong settings, rules or arguments; nothing was begun.
 */
export type FailureKind = 'retry' | 'image' | 'surroundings' | 'usage';

/** Every error code, and the one table of what follows from each. */
export const failureKinds = {
  'audit-unwritable': 'surroundings',
  'baseline-incomplete': 'surroundings',
  'certificate-invalid': 'surroundings',
  'credentials-missing': 'surroundings',
  'digest-mismatch': 'retry',
  'event-invalid': 'image',
  'host-refused': 'image',
  'intent-conflict': 'image',
  'job-invalid': 'image',
  'key-unusable': 'surroundings',
  'kms-throttled': 'surroundings',
  'kms-unreachable': 'surroundings',
  'lock-lost': 'retry',
  'manifest-invalid': 'image',
  'not-found': 'image',
  'redis-unreachable': 'retry',
  'referrers-incomplete': 'retry',
  'registry-denied': 'image',
  'registry-login-refused': 'surroundings',
  'registry-protocol': 'retry',
  'registry-throttled': 'retry',
  'registry-unreachable': 'retry',
  'role-refused': 'surroundings',
  'rules-invalid': 'usage',
  'settings-invalid': 'usage',
  'signature-invalid': 'retry',
  'signature-not-found': 'retry',
  'too-large': 'image',
  usage: 'usage',
} as const satisfies Record<string, FailureKind>;

export type ErrorCode = keyof typeof failureKinds;

export interface AutosignErrorOptions {
  /** What caused it; always kept. */
  readonly cause?: unknown;
  /** How long to wait before the next try, in milliseconds, when the other side said so (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
}

/**
 * The one error class. `message` says what is wrong, where (field, file and line, or reference) and what to do;
 * it never holds a secret. Only the edges translate the code: HTTP status, retry, exit code.
 */
export class AutosignError extends Error {
  override readonly name = 'AutosignError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: AutosignErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get kind(): FailureKind {
    return failureKinds[this.code];
  }
}

/** Whether `error` is ours and carries one of `codes` (any code when none is named). */
export function isAutosignError(error: unknown, ...codes: ErrorCode[]): error is AutosignError {
  return error instanceof AutosignError && (codes.length === 0 || codes.includes(error.code));
}
