import { isDealtWith } from '../coordination/push-marks.ts';
import type { AutosignError } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { BaselineStore, PushMarks } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import type { RegistryListing } from '../ports/registry-listing.ts';
import type { SignatureStores } from '../ports/signature-store.ts';
import type { DeadLettersByImage } from '../queue/dead-letters-by-image.ts';
import type { SignJob } from '../queue/sign-job.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { Registry, RuleSet } from '../rules/rule-set.ts';
import { type Examination, type ExamineImageTools, examineImage } from '../signing/examine-image.ts';
import type { KeyRing } from '../signing/signing-key.ts';
import { type FailedLook, lookAtTags } from './look-at-tags.ts';
import type { NamedTag } from './walk-registry.ts';

/** One registry, reachable. */
export interface RegistryToWalk {
  readonly registry: Registry;
  readonly client: RegistryClient;
  readonly listing: RegistryListing;
  readonly stores: SignatureStores;
}

export interface ReconcileOptions {
  readonly access: RegistryToWalk;
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly baseline: BaselineStore;
  readonly marks: PushMarks;
  readonly formats: ExamineImageTools['formats'];
  readonly clock: Clock;
  /** Adds a job behind the live pushes; waits until there is room. */
  readonly add: (job: SignJob) => Promise<unknown>;
  /** Those of this registry, as they were when the walk began. */
  readonly deadLetters?: DeadLettersByImage | undefined;
  /** Tags looked at at once. */
  readonly concurrency: number;
  readonly logger: Logger;
  /** Ends the walk between and during requests. */
  readonly signal: AbortSignal;
}

/** What one comparison of a registry with the rules found. */
export interface ReconcileResult {
  /** Tags that a rule in state `sign` selects, all of which were looked at. */
  readonly tags: number;
  /** Tags that lack a signature and have a job now. */
  readonly queued: number;
  /** Tags that stood before their rule, which are left as they are. */
  readonly existing: number;
  /** Tags that cannot be judged yet: the key is paused, or the rule is preparing. */
  readonly waiting: number;
  /** Tags, and repositories that may not be listed, that could not be looked at. */
  readonly failed: number;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * Compares one registry with the rules: looks at every tag that a rule in state `sign` selects, and queues those that
 * lack a signature. A tag that cannot be looked at is counted and logged, and does not end the walk.
 * @throws AutosignError when the registry or its catalogue cannot be walked to the end, `redis-unreachable`; the
 * reason of `signal` once it is aborted
 */
export async function reconcileRegistry(options: ReconcileOptions): Promise<ReconcileResult> {
  const { access, ruleSet, logger, concurrency, signal } = options;
  const { name } = access.registry;
  const result = { tags: 0, queued: 0, existing: 0, waiting: 0, failed: 0 };
  await lookAtTags({
    listing: access.listing,
    rules: ruleSet.rules.filter((rule) => rule.state === 'sign' && rule.registries.includes(name)),
    concurrency,
    signal,
    look: (tag) => {
      result.tags += 1;
      return lookAtTag(tag, options, result);
    },
    onFailed: ({ what, error, ...place }) => {
      result.failed += 1;
      logger.warn({ registry: name, ...place, err: error }, failureTexts[what]);
    },
  });
  return result;
}

const failureTexts: Record<FailedLook['what'], string> = {
  repository: 'reconcile: the tags of a repository cannot be listed',
  tag: 'reconcile: a tag cannot be looked at',
  signature: 'reconcile: a signature cannot be looked at',
};

/** Looks at one tag and queues it when a signature is missing; answers why one of several could not be looked at. */
async function lookAtTag(
  { repository, tag }: NamedTag,
  options: ReconcileOptions,
  result: Mutable<ReconcileResult>,
): Promise<AutosignError | undefined> {
  const { access, marks, clock, signal } = options;
  const { registry, client, stores } = access;
  const image = { registry: registry.name, repository, tag };
  const mark = await marks.read(image);
  const resolve = (of: string, reference: string) => client.getManifest(of, reference, { signal });
  const examined = await examineImage({ registry, repository, tag }, { ...options, stores, resolve });
  if (examined.ended === undefined && examined.missing.length + examined.gone.length > 0) {
    const cause = { kind: 'reconcile', requestedAt: clock.now().toISOString() } as const;
    await options.add({ version: 1, ...image, lane: 'backfill', cause });
    result.queued += 1;
    await options.deadLetters?.keepNewest(image);
  } else if (isStatus(examined, 'waiting')) result.waiting += 1;
  else {
    if (isStatus(examined, 'existing')) result.existing += 1;
    // A push whose job was never queued leaves its mark behind, which would keep the tag out of later baselines.
    const dealtWith = mark !== undefined && isDealtWith(mark, options.ruleSet.hash, clock.now());
    if (dealtWith && !isStatus(examined, 'failed')) await marks.clear(image, mark);
    if (!isStatus(examined, 'failed')) await options.deadLetters?.takeAway(image);
  }
  return examined.ended === undefined ? examined.failures[0]?.error : undefined;
}

function isStatus(examined: Examination, status: 'waiting' | 'existing' | 'failed'): boolean {
  return examined.ended === undefined && examined.settled.some((intent) => intent.status === status);
}
