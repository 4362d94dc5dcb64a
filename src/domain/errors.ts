/**
 * What a failure means for the job, and so what happens next:
 * - `retry`: the same attempt may succeed later; it uses up one attempt.
 * - `image`: wrong for this image; trying again changes nothing, the job ends in the dead letters.
 * - `surroundings`: wrong around the image (key, role, registry login, audit file, Redis); the job waits without using an
 *   attempt.
 * - `usage`: wrong settings, rules or arguments; nothing was begun.
 */
export type FailureKind = 'retry' | 'image' | 'surroundings' | 'usage';

/**
 * What a failure says something about: a key or a registry, which then pauses for all; the process; or one image only.
 * A registry that answers nonsense may do so for one image, so that pauses nothing.
 */
export type FailureScope = 'key' | 'registry' | 'process' | 'image';

/** What follows from a failure. */
export interface FailureConsequence {
  readonly kind: FailureKind;
  readonly scope: FailureScope;
  /** One sentence for whoever operates the service: what to do, or that there is nothing to do. */
  readonly nextStep: string;
}

/** Every error code, and the one table of what follows from each; README.md, "When something fails", shows it. */
export const failureTable = {
  'audit-unwritable': {
    kind: 'surroundings',
    scope: 'process',
    nextStep: 'Make AUTOSIGN_STATE_DIR writable for the worker and its disk free; its jobs go on by themselves.',
  },
  'certificate-invalid': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: 'Issue a new certificate with "autosign cert issue" and name it in certificateChain of the key.',
  },
  'credentials-missing': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: "Give the worker a valid identity of its own at Alibaba Cloud, and look at the machine's clock.",
  },
  'digest-mismatch': {
    kind: 'retry',
    scope: 'image',
    nextStep: 'Look for what changes bytes between registry and worker (proxy, storage), then retry.',
  },
  'event-invalid': {
    kind: 'image',
    scope: 'image',
    nextStep: "Correct what posts the event: it is not the body of ACR's trigger.",
  },
  'host-refused': {
    kind: 'retry',
    scope: 'image',
    nextStep: "Correct the registry's host in the rules file, or its own address: it sends clients to another host.",
  },
  'intent-conflict': {
    kind: 'image',
    scope: 'image',
    nextStep: 'Find out who else writes to this Redis, delete the stored artifact that the message names, then retry.',
  },
  'job-invalid': {
    kind: 'image',
    scope: 'image',
    nextStep: 'Run one release everywhere and post the event again; another release or a stranger queued this job.',
  },
  'key-paused': {
    kind: 'surroundings',
    scope: 'process',
    nextStep: 'Nothing: one job is trying the paused key for all; look at what paused it.',
  },
  'key-unusable': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: 'Enable the key, or correct its entry in the rules file; its jobs go on by themselves.',
  },
  'kms-quota-kept': {
    kind: 'surroundings',
    // Of no key: pausing it would keep the live pushes waiting that the rest is kept for.
    scope: 'process',
    nextStep: 'Raise perDay under quotas in the rules file, or wait until midnight UTC; its jobs go on by themselves.',
  },
  'kms-quota-used': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: 'Raise perDay under quotas in the rules file, or wait until midnight UTC; its jobs go on by themselves.',
  },
  'kms-throttled': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: 'Nothing to do; if it lasts, raise the quota of KMS calls of this account.',
  },
  'kms-unreachable': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: 'Check that the worker reaches KMS and STS (network, DNS, clock); its jobs go on by themselves.',
  },
  'lock-lost': {
    kind: 'retry',
    scope: 'image',
    nextStep: 'Look why registry or Redis is slow or many tags of one digest are pushed at once, then retry.',
  },
  'manifest-invalid': {
    kind: 'image',
    scope: 'image',
    nextStep: 'Push the image again with a client that writes a valid manifest.',
  },
  'not-found': {
    kind: 'image',
    scope: 'image',
    nextStep: 'Look whether the image or its repository was deleted; if it is there, retry.',
  },
  'redis-unreachable': {
    kind: 'surroundings',
    scope: 'process',
    nextStep: 'Start Redis, or correct AUTOSIGN_REDIS_URL and the memory limit of Redis.',
  },
  'referrers-incomplete': {
    kind: 'retry',
    scope: 'image',
    nextStep: "Look at the image's list of referrers: take out what is superfluous, gone or unreadable, then retry.",
  },
  'registry-denied': {
    kind: 'image',
    scope: 'image',
    nextStep: 'Give the login of this registry the right to pull from and push to this repository, then retry.',
  },
  'registry-login-refused': {
    kind: 'surroundings',
    scope: 'registry',
    nextStep:
      'Correct acr, login or realms of the registry in the rules file, the rights of the identity, or the variable of the password.',
  },
  'registry-protocol': {
    kind: 'retry',
    scope: 'image',
    nextStep: 'Look at what the registry, or a proxy before it, answered to the request in the message, then retry.',
  },
  'registry-throttled': {
    kind: 'retry',
    scope: 'registry',
    nextStep: "Raise the registry's rate limit, or lower AUTOSIGN_CONCURRENCY, then retry.",
  },
  'registry-unreachable': {
    kind: 'retry',
    scope: 'registry',
    nextStep: 'Check that the registry is up and that the worker reaches it (network, DNS, TLS), then retry.',
  },
  'role-refused': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: "Put the statement from the message into the role's trust policy, or correct roleArn.",
  },
  'rules-invalid': {
    kind: 'usage',
    scope: 'process',
    nextStep: 'Correct the rules file where the message says.',
  },
  'settings-invalid': {
    kind: 'usage',
    scope: 'process',
    nextStep: 'Correct the settings that the message names.',
  },
  'signature-invalid': {
    kind: 'surroundings',
    scope: 'key',
    nextStep: 'Compare publicKeyFile of the key with the key version at its source: what it signs does not verify.',
  },
  'signature-not-found': {
    kind: 'retry',
    scope: 'image',
    nextStep: 'Look whether another program writes the same list of referrers or the tag keeps moving, then retry.',
  },
  'too-large': {
    kind: 'image',
    scope: 'image',
    nextStep: 'Push a smaller manifest: README.md, "Limits", has the sizes.',
  },
  usage: {
    kind: 'usage',
    scope: 'process',
    nextStep: 'Correct the arguments: --help shows examples.',
  },
} as const satisfies Record<string, FailureConsequence>;

export type ErrorCode = keyof typeof failureTable;

/** Whether `text` is one of our error codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(failureTable, text);
}

/** What to do about a failure with this code. */
export function nextStepOf(code: ErrorCode): string {
  return failureTable[code].nextStep;
}

export interface AutosignErrorOptions {
  /** What caused it; always kept. */
  readonly cause?: unknown;
  /** How long to wait before the next try, in milliseconds, when the other side said so (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  /** The key service's own id of the call, for the audit file. */
  readonly requestId?: string | undefined;
}

/**
 * The one error class. `message` says what is wrong, where (field, file and line, or reference) and what to do;
 * it never holds a secret. Only the edges translate the code: HTTP status, retry, exit code.
 */
export class AutosignError extends Error {
  override readonly name = 'AutosignError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, message: string, options: AutosignErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
  }

  get kind(): FailureKind {
    return failureTable[this.code].kind;
  }

  get scope(): FailureScope {
    return failureTable[this.code].scope;
  }
}

/** Whether `error` is ours and carries one of `codes` (any code when none is named). */
export function isAutosignError(error: unknown, ...codes: ErrorCode[]): error is AutosignError {
  return error instanceof AutosignError && (codes.length === 0 || codes.includes(error.code));
}
