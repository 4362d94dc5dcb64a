import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import type { BaselineStore, PushMarks } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import { parseSignJob, type SignJob } from '../queue/sign-job.ts';
import { matchRules } from '../rules/match.ts';
import type { ImageOutcome, SignImageResult } from '../signing/outcome.ts';
import { signImage } from '../signing/sign-image.ts';
import type { Desired, RegistryAccess } from './desired.ts';
import type { SignTools } from './sign-tools.ts';

/** What the queue is to do with a job that has run. */
export type JobVerdict =
  | { readonly next: 'done'; readonly outcome: ImageOutcome }
  /** Comes back without using an attempt: something around the image is not ready. */
  | {
      readonly next: 'sleep';
      readonly outcome: ImageOutcome | undefined;
      readonly reason: string;
      readonly afterMs?: number | undefined;
    }
  /** Uses an attempt; after the last one it ends in the dead letters. */
  | { readonly next: 'retry'; readonly error: AutosignError }
  /** Ends in the dead letters at once. */
  | { readonly next: 'give-up'; readonly error: AutosignError };

export interface ProcessJobOptions {
  /** The rules, keys and registries as they stand when the job begins. */
  readonly desired: () => Desired;
  readonly tools: SignTools;
  readonly baseline: BaselineStore;
  readonly marks: PushMarks;
  readonly clock: Clock;
}

/**
 * One job, from its coordinates to its outcome. Nothing in it is believed but where to look: whoever can write to
 * Redis can make us look at a tag, and no more.
 */
export async function processJob(data: unknown, options: ProcessJobOptions): Promise<JobVerdict> {
  try {
    const job = parseSignJob(data);
    const mark = await options.marks.read(job);
    const verdict = await look(job, options);
    if (verdict.next === 'done' && mark !== undefined) await options.marks.clear(job, mark);
    return verdict;
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    return verdictOfError(error, undefined);
  }
}

async function look(job: SignJob, options: ProcessJobOptions): Promise<JobVerdict> {
  const { ruleSet, keyRing, registries } = options.desired();
  const access = registries.get(job.registry);
  if (access === undefined || matchRules(ruleSet, job).length === 0) {
    return { next: 'done', outcome: { status: 'no-rule', reason: 'No rule wants this image any more.' } };
  }
  const result = await signImage(
    {
      registry: access.registry,
      repository: job.repository,
      tag: job.tag,
      eventDigest: job.cause.kind === 'push' ? job.cause.eventDigest : undefined,
      cause: job.cause.kind,
    },
    { ...options.tools, ...toolsOf(access), ruleSet, keyRing, baseline: options.baseline, clock: options.clock },
  );
  return verdictOfResult(result);
}

function toolsOf({ client, store }: RegistryAccess) {
  return { store, resolve: (repository: string, tag: string) => client.getManifest(repository, tag) };
}

/** A job signs what it can; then the hardest of what is left decides. */
function verdictOfResult({ outcome, errors }: SignImageResult): JobVerdict {
  const [retry] = errors.filter((error) => error.kind === 'retry');
  if (retry !== undefined) return verdictOfError(retry, outcome);
  const waiting =
    outcome.status === 'examined' ? outcome.intents.find((intent) => intent.status === 'waiting') : undefined;
  if (waiting !== undefined) return { next: 'sleep', outcome, reason: waiting.reason ?? 'waiting' };
  const [error] = errors;
  return error === undefined ? { next: 'done', outcome } : verdictOfError(error, outcome);
}

function verdictOfError(error: AutosignError, outcome: ImageOutcome | undefined): JobVerdict {
  switch (error.kind) {
    case 'retry':
      return { next: 'retry', error };
    case 'surroundings':
      return { next: 'sleep', outcome, reason: error.message, afterMs: error.retryAfterMs };
    case 'image':
    case 'usage':
      return { next: 'give-up', error };
  }
}
