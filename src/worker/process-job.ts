import { isDealtWith } from '../coordination/push-marks.ts';
import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import type { BaselineStore, PushMarks } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import { parseSignJob, type SignJob } from '../queue/sign-job.ts';
import { matchRules } from '../rules/match.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule } from '../rules/rule-set.ts';
import type { ImageOutcome, SignImageResult } from '../signing/outcome.ts';
import { signImage } from '../signing/sign-image.ts';
import type { KeyRing } from '../signing/signing-key.ts';
import type { Desired, RegistryAccess } from './desired.ts';
import { withPauses } from './paused-keys.ts';
import type { Pauses } from './pauses.ts';
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
  | { readonly next: 'retry'; readonly outcome?: ImageOutcome | undefined; readonly error: AutosignError }
  /** Ends in the dead letters at once. */
  | { readonly next: 'give-up'; readonly outcome?: ImageOutcome | undefined; readonly error: AutosignError };

export interface ProcessJobOptions {
  /** The rules, keys and registries as they stand when the job begins. */
  readonly desired: () => Desired;
  readonly tools: SignTools;
  readonly baseline: BaselineStore;
  readonly marks: PushMarks;
  readonly pauses: Pauses;
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
    // The receiver may know newer rules than this worker. Then the mark stays: it keeps the image out of the baseline
    // of a new rule, and the reconcile that follows a change of rules signs it.
    const rulesHash = options.desired().ruleSet.hash;
    const verdict = await look(job, options);
    if (verdict.next === 'done' && mark !== undefined && isDealtWith(mark, rulesHash, options.clock.now())) {
      await options.marks.clear(job, mark);
    }
    return verdict;
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    return verdictOfError(error, undefined);
  }
}

async function look(job: SignJob, options: ProcessJobOptions): Promise<JobVerdict> {
  const begunAt = options.clock.now();
  const { ruleSet, keyRing, registries } = options.desired();
  const { pauses } = options;
  const access = registries.get(job.registry);
  const rules = matchRules(ruleSet, job);
  if (access === undefined || rules.length === 0) {
    return { next: 'done', outcome: { status: 'no-rule', reason: 'No rule wants this image any more.' } };
  }
  const keys = withPauses(keyRing, pauses);
  const reason = await reasonToWait(job, rules, keys, options);
  if (reason !== undefined) return { next: 'sleep', outcome: undefined, reason };
  try {
    const result = await signImage(
      {
        registry: access.registry,
        repository: job.repository,
        tag: job.tag,
        eventDigest: job.cause.kind === 'push' ? job.cause.eventDigest : undefined,
        cause: job.cause.kind,
        causedAt: job.cause.kind === 'push' ? job.cause.receivedAt : job.cause.requestedAt,
      },
      {
        ...options.tools,
        ...toolsOf(access),
        ruleSet,
        keyRing: keys,
        baseline: options.baseline,
        clock: options.clock,
      },
    );
    learn(job, result, pauses, begunAt);
    return verdictOfResult(result);
  } catch (error) {
    if (isAutosignError(error) && error.scope === 'registry') pauseRegistry(job, error, pauses);
    throw error;
  }
}

function toolsOf({ client, stores }: RegistryAccess) {
  return { stores, resolve: (repository: string, tag: string) => client.getManifest(repository, tag) };
}

/**
 * Why a job can do nothing now, so that it sends no request: thousands may wait. It can when one rule of it can.
 */
async function reasonToWait(
  job: SignJob,
  rules: readonly Rule[],
  keyRing: KeyRing,
  { desired, baseline, pauses }: ProcessJobOptions,
): Promise<string | undefined> {
  const { ruleSet } = desired();
  const reasons: string[] = [];
  for (const rule of rules) {
    const paused = rule.formats.flatMap((format) => {
      const key = keyRing.get(rule.key, format);
      return key.state === 'paused' ? [key.reason] : [];
    });
    if (rule.state === 'sign' && paused.length === rule.formats.length) {
      reasons.push(`Key ${rule.key} is paused: ${paused[0]}`);
    } else if (rule.existing === 'ignore' && !(await baseline.isComplete(ruleIdentity(ruleSet, rule), job.registry))) {
      reasons.push(`Rule ${rule.name} is preparing: the walk over what stood before it runs.`);
    }
  }
  return reasons.length === rules.length ? reasons[0] : pauses.admit('registry', job.registry);
}

/** What one job found out about its keys and its registry holds for the others. */
function learn(job: SignJob, { outcome, failures }: SignImageResult, pauses: Pauses, begunAt: Date): void {
  const signed = outcome.status === 'examined' ? outcome.intents.filter(({ status }) => status === 'signed') : [];
  for (const { key } of signed) pauses.resume('key', key, begunAt);
  for (const { key, error } of failures) {
    if (error.scope === 'key') pauses.pause('key', key, error.message, error.retryAfterMs);
  }
  const refused = failures.find(({ error }) => error.scope === 'registry');
  if (refused === undefined) pauses.resume('registry', job.registry, begunAt);
  else pauseRegistry(job, refused.error, pauses);
}

/** A registry that refuses the login or asks for time is paused at once; one that fails may have failed for one image. */
function pauseRegistry({ registry, repository, tag }: SignJob, error: AutosignError, pauses: Pauses): void {
  if (error.code === 'registry-unreachable') {
    pauses.suspect('registry', registry, `${repository}:${tag}`, error.message);
  } else pauses.pause('registry', registry, error.message, error.retryAfterMs);
}

/** A job signs what it can. What waits for something around it waits without using attempts, whatever else failed. */
function verdictOfResult({ outcome, failures }: SignImageResult): JobVerdict {
  const waiting =
    outcome.status === 'examined' ? outcome.intents.find((intent) => intent.status === 'waiting') : undefined;
  if (waiting !== undefined) {
    const asked = failures.flatMap(({ error }) => error.retryAfterMs ?? []);
    const afterMs = asked.length === 0 ? undefined : Math.max(...asked);
    return { next: 'sleep', outcome, reason: waiting.reason ?? 'waiting', afterMs };
  }
  const failure = failures.find(({ error }) => error.kind === 'retry') ?? failures[0];
  return failure === undefined ? { next: 'done', outcome } : verdictOfError(failure.error, outcome);
}

function verdictOfError(error: AutosignError, outcome: ImageOutcome | undefined): JobVerdict {
  switch (error.kind) {
    case 'retry':
      return { next: 'retry', outcome, error };
    case 'surroundings':
      return { next: 'sleep', outcome, reason: error.message, afterMs: error.retryAfterMs };
    case 'image':
    case 'usage':
      return { next: 'give-up', outcome, error };
  }
}
