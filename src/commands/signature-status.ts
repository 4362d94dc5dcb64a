import type { Format, Mode } from '../domain/algorithm.ts';
import type { Digest } from '../domain/digest.ts';
import type { AutosignError, ErrorCode } from '../domain/errors.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import type { DeadLetterCode } from '../queue/dead-letters.ts';
import type { ImageJobs, LiveJob } from '../queue/image-jobs.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import type { KeyRing } from '../signing/signing-key.ts';

/** What Redis knows of an image. */
export type QueueView = Pick<ImageJobs, 'live' | 'dead'> & Pick<BaselineStore, 'standing'>;

/** Where one signature stands that a rule demands of an image. */
export interface SignatureStatus {
  readonly rule: string;
  readonly key: string;
  readonly format: Format;
  readonly mode: Mode;
  /**
   * - `valid`: it is there, and a verifier takes it.
   * - `pending`: it will be made; `waitsFor` says what is still in the way.
   * - `failed`: its job is a dead letter.
   * - `existing`: the image stood before its rule, which leaves such images alone.
   * - `audit`: its rule only watches.
   * - `missing`: it is not there, and nobody looked whether it will be made, or it will never be.
   * - `unknown`: what would tell could not be looked at.
   */
  readonly status: 'valid' | 'pending' | 'failed' | 'existing' | 'audit' | 'missing' | 'unknown';
  /** A sentence, unless it is valid. */
  readonly reason?: string | undefined;
  /** What to do, or that there is nothing to do, in one sentence. */
  readonly nextStep: string;
  /** The manifest of a valid signature. */
  readonly signature?: Digest | undefined;
  readonly certificateEnds?: Date | undefined;
  readonly waitsFor?: 'worker' | 'running-job' | 'sleeping-job' | 'key' | 'rule' | 'reconcile' | undefined;
  /** Why nothing in the queue can be about it. */
  readonly beyondReach?: 'no-tag' | 'moved-tag' | undefined;
  readonly job?: LiveJob | undefined;
  readonly deadLetter?: { readonly id: string; readonly code: DeadLetterCode; readonly failedAt: Date } | undefined;
  /** Of what could not be looked at. */
  readonly code?: ErrorCode | undefined;
}

export interface StatusScope {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest;
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly queue: QueueView | undefined;
  /** The job of the image, or why Redis does not tell; never rejected. */
  readonly live: Promise<{ readonly job?: LiveJob | undefined; readonly error?: AutosignError }>;
  readonly beyondReach: SignatureStatus['beyondReach'];
  readonly now: Date;
}

/** What was found out about a signature whose demand is known. */
export type SignatureFinding = Omit<SignatureStatus, 'rule' | 'key' | 'format' | 'mode'>;
