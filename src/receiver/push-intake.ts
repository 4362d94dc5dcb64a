import { isAutosignError } from '../domain/errors.ts';
import type { PushEvent } from '../domain/push-event.ts';
import { isSignatureTag } from '../domain/signature-tag.ts';
import type { Logger } from '../observability/logger.ts';
import type { PushMarks } from '../ports/baseline.ts';
import type { SignJob } from '../queue/sign-job.ts';
import type { SignQueue } from '../queue/sign-queue.ts';
import { matchRules } from '../rules/match.ts';
import type { RuleSet } from '../rules/rule-set.ts';

export interface PushIntakeOptions {
  readonly rules: () => RuleSet;
  readonly queue: SignQueue;
  readonly marks: PushMarks;
  /** Told of the registry of each push that Redis has not confirmed, so that it is looked for when Redis is back. */
  readonly onUnconfirmed: (registry: string) => void;
  readonly logger: Logger;
}

/** What became of a push event; as it is, the body of the answer. */
export type TakenPush = { readonly queued: true; readonly job: string } | NotQueued;

export interface NotQueued {
  readonly queued: false;
  readonly reason: string;
}

/** Takes what a door has read and believes for what it is, a hint: the same steps, whichever door it came in by. */
export interface PushIntake {
  /**
   * Drops signature tags, matches the rules, and queues; queued means that Redis has confirmed it.
   * @throws AutosignError `redis-unreachable`
   */
  take(registry: string, event: PushEvent): Promise<TakenPush>;
}

export function createPushIntake({ rules, queue, marks, onUnconfirmed, logger }: PushIntakeOptions): PushIntake {
  /**
   * Marks the push, then adds its job. A mark whose job is not added stays, for ninety days at most, and that is right:
   * the push is known, so a baseline that is taken meanwhile must not take its image for an older one, and the
   * reconcile that is asked for here signs it. It goes with the job that this queues, or when nothing is missing.
   */
  async function addMarked(job: SignJob): Promise<{ readonly id: string }> {
    try {
      return await queue.add(job, () => marks.mark(job, rules().hash));
    } catch (error) {
      if (isAutosignError(error, 'redis-unreachable')) onUnconfirmed(job.registry);
      throw error;
    }
  }

  return {
    take: async (registry, event) => {
      const image = { registry, repository: event.repository, tag: event.tag };
      const fields = { ...image, digest: event.digest };
      const reason = reasonNotToQueue(rules(), registry, event);
      if (reason !== undefined) {
        logger.info({ ...fields, reason }, 'push event not queued');
        return { queued: false, reason };
      }
      const { id } = await addMarked(pushJob(image, event));
      logger.info({ ...fields, job: id }, 'push event queued');
      return { queued: true, job: id };
    },
  };
}

function reasonNotToQueue(ruleSet: RuleSet, registry: string, event: PushEvent): string | undefined {
  if (isSignatureTag(event.tag)) return 'the tag holds signatures or attestations, which are never signed';
  if (matchRules(ruleSet, { registry, repository: event.repository, tag: event.tag }).length > 0) return undefined;
  const ofRegistry = ruleSet.rules.filter((rule) => rule.registries.includes(registry));
  if (ofRegistry.length === 0) return 'the registry has no rule';
  return ofRegistry.every((rule) => rule.state === 'off')
    ? 'every rule of the registry is off'
    : 'no rule wants this repository and tag';
}

function pushJob(image: Pick<SignJob, 'registry' | 'repository' | 'tag'>, event: PushEvent): SignJob {
  return {
    version: 1,
    ...image,
    lane: 'push',
    cause: {
      kind: 'push',
      ...(event.digest !== undefined && { eventDigest: event.digest }),
      // Ours: the sender's times have no zone.
      receivedAt: new Date().toISOString(),
    },
  };
}
