import type { Format } from '../domain/algorithm.ts';
import type { Digest } from '../domain/digest.ts';
import type { AutosignError, ErrorCode } from '../domain/errors.ts';
import type { Intent } from './intent.ts';

/** What became of one thing that a rule demands of an image. */
export type IntentStatus =
  | 'signed'
  | 'already-signed'
  /** The rule's state is `audit`: it would be signed. */
  | 'audit'
  /** It stood before the rule, whose `existing` is `ignore`. */
  | 'existing'
  /** Its key, its rule's baseline or something else around it is not ready; the job comes back. */
  | 'waiting'
  | 'failed';

export interface IntentOutcome {
  readonly rules: readonly string[];
  readonly key: string;
  readonly format: Format;
  readonly status: IntentStatus;
  /** The manifest of the signature, once it is there. */
  readonly artifact?: Digest | undefined;
  /** When the certificate of a signature that was found ends; absent for a format that has none. */
  readonly certificateEnds?: Date | undefined;
  readonly reason?: string | undefined;
  /** Of the failure behind `reason`, if there is one. */
  readonly code?: ErrorCode | undefined;
}

/** What became of one job. */
export type ImageOutcome =
  | {
      readonly status: 'no-rule' | 'gone' | 'not-an-image';
      readonly digest?: Digest;
      readonly reason: string;
    }
  | {
      readonly status: 'denied';
      readonly digest: Digest;
      readonly reason: string;
      /** Undefined: for good. */
      readonly deniedUntil: Date | undefined;
    }
  | {
      readonly status: 'examined';
      readonly digest: Digest;
      /** The event named another digest than the tag pointed at; what the tag points at is what was signed. */
      readonly superseded: boolean;
      readonly intents: readonly IntentOutcome[];
    };

/** An intent that failed, and the key it needed. */
export interface IntentFailure {
  readonly key: string;
  readonly error: AutosignError;
}

/** An outcome, with what failed, for whoever decides on another try. */
export interface SignImageResult {
  readonly outcome: ImageOutcome;
  readonly failures: readonly IntentFailure[];
}

/** The outcome of one intent. */
export function intentOutcome(
  { rules, signingKey, format }: Intent,
  status: IntentStatus,
  more: Pick<IntentOutcome, 'artifact' | 'certificateEnds' | 'reason' | 'code'>,
): IntentOutcome {
  return { rules: rules.map((rule) => rule.name), key: signingKey.key.name, format, status, ...more };
}
