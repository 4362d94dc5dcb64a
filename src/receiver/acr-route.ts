import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isAutosignError } from '../domain/errors.ts';
import type { PushEvent } from '../domain/push-event.ts';
import { isSignatureTag } from '../domain/signature-tag.ts';
import type { Logger } from '../observability/logger.ts';
import type { PushMarks } from '../ports/baseline.ts';
import type { SignJob } from '../queue/sign-job.ts';
import type { SignQueue } from '../queue/sign-queue.ts';
import { matchRules } from '../rules/match.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { parseAcrWebhook } from './acr-webhook.ts';
import type { ReceiverLimits } from './receiver-limits.ts';
import { isValidToken } from './tokens.ts';

export interface AcrRouteOptions {
  readonly rules: () => RuleSet;
  readonly queue: SignQueue;
  readonly marks: PushMarks;
  /** Told of the registry of each push that Redis has not confirmed, so that it is looked for when Redis is back. */
  readonly onUnconfirmed: (registry: string) => void;
  readonly logger: Logger;
  readonly limits: ReceiverLimits;
}

export const acrPath = '/webhooks/acr/:registry/:token';

interface AcrParams {
  readonly registry: string;
  readonly token: string;
}

type AcrRequest = FastifyRequest<{ Params: AcrParams }>;

/**
 * The door of ACR's trigger. The token is checked before a byte of the body is read, so that a stranger cannot make
 * us parse. The registry comes from the path, never from the body, which does not name it.
 */
export function addAcrRoute(app: FastifyInstance, options: AcrRouteOptions): void {
  const { rules, queue, marks, onUnconfirmed, logger, limits } = options;
  const countWrongToken = app.createRateLimit({ max: limits.wrongTokensPerMinuteMax, timeWindow: 60_000 });

  async function authenticate(request: AcrRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const { registry, token } = request.params;
    if (isValidToken(token, rules().registries.get(registry)?.webhook?.tokenSha256)) return undefined;
    const count = await countWrongToken(request);
    // The rest of a stranger's body is not worth reading.
    reply.header('connection', 'close');
    if (!count.isAllowed && count.isExceeded) {
      // One line a refused guess would let a stranger fill the disk.
      logger.debug({ address: request.ip }, 'webhook refused: too many wrong tokens');
      return reply.code(429).header('retry-after', String(count.ttlInSeconds)).send({ error: 'too many wrong tokens' });
    }
    logger.warn({ address: request.ip }, 'webhook refused: unknown registry or wrong token');
    return reply.code(401).send({ error: 'unknown registry or wrong token' });
  }

  async function receivePush(request: AcrRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { registry } = request.params;
    const event = parseAcrWebhook(request.body);
    const image = { registry, repository: event.repository, tag: event.tag };
    const fields = { ...image, digest: event.digest };
    const refusal = reasonNotToQueue(rules(), registry, event);
    if (refusal !== undefined) {
      logger.info({ ...fields, reason: refusal }, 'push event not queued');
      return reply.code(202).send({ queued: false, reason: refusal });
    }
    const { id } = await addMarked(pushJob(image, event));
    logger.info({ ...fields, job: id }, 'push event queued');
    return reply.code(202).send({ queued: true, job: id });
  }

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

  app.post<{ Params: AcrParams }>(acrPath, { onRequest: authenticate }, receivePush);
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
