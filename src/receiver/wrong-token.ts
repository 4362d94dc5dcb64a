import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../observability/logger.ts';
import type { ReceiverLimits } from './receiver-limits.ts';

/** Answers a caller whose token is wrong, or who named a registry that is unknown: 401, or 429 after too many. */
export type RefuseToken = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/** One count for all doors: a stranger who guesses at several gets no more tries than at one. */
export function createRefuseToken(
  app: FastifyInstance,
  { limits, logger }: { readonly limits: ReceiverLimits; readonly logger: Logger },
): RefuseToken {
  const countWrongToken = app.createRateLimit({ max: limits.wrongTokensPerMinuteMax, timeWindow: 60_000 });
  return async (request, reply) => {
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
  };
}
