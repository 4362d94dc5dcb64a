import { isAutosignError, nextStepOf } from '../domain/errors.ts';
import { nextStepFor } from '../queue/dead-letters.ts';
import type { LiveJob } from '../queue/image-jobs.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule } from '../rules/rule-set.ts';
import type { QueueView, SignatureFinding, SignatureStatus, StatusScope } from './signature-status.ts';

/**
 * Why a signature is not there that a rule demands: what the rule says, then Redis, then the queue.
 * @param keyReason why the key is paused, when it is
 */
export async function statusOfLacking(
  rule: Rule,
  keyReason: string | undefined,
  scope: StatusScope,
): Promise<SignatureFinding> {
  if (rule.state === 'audit') {
    return {
      status: 'audit',
      reason: 'The rule is in state audit; it would be signed.',
      nextStep: 'Set the state of the rule to sign when it is to be signed.',
    };
  }
  if (scope.beyondReach !== undefined) return statusBeyondReach(scope.beyondReach);
  if (scope.queue === undefined) {
    return {
      status: 'missing',
      reason: `${keyReason ?? 'No signature that counts is there.'} The queue was not looked at.`,
      nextStep: 'Set AUTOSIGN_REDIS_URL and ask again, to be told whether a job is under way.',
    };
  }
  try {
    return (
      (await statusBeforeRule(rule, scope, scope.queue)) ??
      (keyReason === undefined ? await statusInQueue(scope, scope.queue) : pausedKey(keyReason, await jobOf(scope)))
    );
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    const reason = `No signature that counts is there, and Redis could not be asked: ${error.message}`;
    return { status: 'unknown', reason, nextStep: nextStepOf(error.code), code: error.code };
  }
}

function statusBeyondReach(beyondReach: NonNullable<SignatureStatus['beyondReach']>): SignatureFinding {
  switch (beyondReach) {
    case 'no-tag':
      return {
        status: 'missing',
        beyondReach,
        reason: 'No signature that counts is there; by a digest alone the queue cannot be asked.',
        nextStep: 'Ask again with the tag: host/repository:tag.',
      };
    case 'moved-tag':
      return {
        status: 'missing',
        beyondReach,
        reason: 'No signature that counts is there, and the tag points elsewhere: only what a tag points at is signed.',
        nextStep: 'Push this image under the tag again, or ask without the digest.',
      };
  }
}

/** Of a rule that leaves alone what stood before it. */
async function statusBeforeRule(
  rule: Rule,
  scope: StatusScope,
  queue: QueueView,
): Promise<SignatureFinding | undefined> {
  if (rule.existing === 'sign') return undefined;
  // The job's exchange has waited for the connection.
  const job = await jobOf(scope);
  const { registry, repository, tag = '', digest, ruleSet } = scope;
  switch (await queue.standing(ruleIdentity(ruleSet, rule), { registry, repository, tag }, digest)) {
    case 'existing':
      return {
        status: 'existing',
        reason: 'It stood before the rule, and existing: ignore leaves it unsigned.',
        nextStep: `Run "autosign backfill --registry ${registry} --rule ${rule.name}" when it is to be signed.`,
      };
    case 'preparing':
      return {
        status: 'pending',
        waitsFor: 'rule',
        reason: 'The rule is preparing: the walk over what stood before it has not ended.',
        nextStep: 'Nothing, if "autosign work" runs: it walks by itself, and its /readyz says what keeps it from that.',
        job,
      };
    case 'new':
      return undefined;
  }
}

function pausedKey(keyReason: string, job: LiveJob | undefined): SignatureFinding {
  const nextStep = 'Mend what the reason names; jobs that wait for the key go on by themselves.';
  return { status: 'pending', waitsFor: 'key', reason: keyReason, nextStep, job };
}

async function statusInQueue(scope: StatusScope, queue: QueueView): Promise<SignatureFinding> {
  const { registry, repository, tag = '' } = scope;
  const job = await jobOf(scope);
  if (job !== undefined) return { status: 'pending', job, ...wordsOf(job) };
  const letter = await queue.dead({ registry, repository, tag });
  if (letter !== undefined) {
    const { id, code, message, failedAt } = letter;
    return {
      status: 'failed',
      reason: `${code}: ${message}`,
      nextStep: `${nextStepFor(code)} To retry: "autosign dead retry ${id}".`,
      deadLetter: { id, code, failedAt },
    };
  }
  return {
    status: 'pending',
    waitsFor: 'reconcile',
    reason: 'No job is queued for it.',
    nextStep: `Nothing: the next reconcile queues it; "autosign reconcile --registry ${registry}" has one begin now.`,
  };
}

function wordsOf({ id, lane, state, queuedAt, until, reason, failures }: LiveJob) {
  const behind = lane === 'backfill' ? ', behind the live pushes' : '';
  switch (state) {
    case 'waiting':
      return {
        waitsFor: 'worker',
        reason: `Job ${id} waits for a worker since ${queuedAt.toISOString()}${behind}.`,
        nextStep: 'Nothing; if it goes on waiting, look whether "autosign work" runs and keeps up.',
      } as const;
    case 'running':
      return {
        waitsFor: 'running-job',
        reason: `Job ${id} runs.`,
        nextStep: 'Nothing; ask again in a moment.',
      } as const;
    case 'sleeping':
      return {
        waitsFor: 'sleeping-job',
        reason: `Job ${id} sleeps${until === undefined ? '' : ` until ${until.toISOString()}`}${failures === 0 ? '' : `, after ${failures} failed ${failures === 1 ? 'run' : 'runs'}`}: ${reason ?? 'no reason is known'}`,
        nextStep: 'Mend what the reason names; the job comes back by itself.',
      } as const;
  }
}

async function jobOf({ live }: StatusScope): Promise<LiveJob | undefined> {
  const { job, error } = await live;
  if (error !== undefined) throw error;
  return job;
}
