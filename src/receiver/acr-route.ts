import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
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
  const { rules, queue, marks, logger, limits } = options;
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
    const { id } = await queue.add(pushJob(image, event), () => marks.mark(image));
    logger.info({ ...fields, job: id }, 'push event queued');
    return reply.code(202).send({ queued: true, job: id });
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
