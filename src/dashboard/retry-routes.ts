import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isAutosignError } from '../domain/errors.ts';
import type { AuditLog } from '../observability/audit.ts';
import type { Logger } from '../observability/logger.ts';
import type { DeadLetterCode, DeadLetters } from '../queue/dead-letters.ts';
import { type BeforeRetry, type Retried, retryAll, retryNamed } from '../queue/retry-dead-letters.ts';
import { type Visitor, visitorOf } from './access.ts';
import type { DashboardLimits } from './dashboard-limits.ts';
import type { OverviewReader } from './overview.ts';
import { isDeadLetterCode } from './overview-routes.ts';
import { refuse } from './refuse.ts';
import type { Notice, Sessions } from './sessions.ts';
import { cut, showCount } from './show.ts';

export interface RetryRoutesOptions {
  readonly deadLetters: Pick<DeadLetters, 'list' | 'get' | 'sendAgain'>;
  readonly audit: Pick<AuditLog, 'write'>;
  readonly overview: Pick<OverviewReader, 'forget'>;
  readonly sessions: Pick<Sessions, 'notify'>;
  readonly logger: Logger;
  readonly limits: DashboardLimits;
}

// Ids are numbers of ours, or what a stranger chose.
const RetryForm = z.object({ id: z.string().min(1).max(1_024) });
const RetryAllForm = z.object({ code: z.custom<DeadLetterCode>(isDeadLetterCode) });

/** Sends dead letters again, as `autosign dead retry` does; for operators, with a line in the audit file before each. */
export function addRetryRoutes(app: FastifyInstance, options: RetryRoutesOptions): void {
  const { deadLetters, limits } = options;
  const preHandler = [requireOperator, app.csrfProtection];

  app.post('/retry', { preHandler }, async (request, reply) => {
    const { id } = RetryForm.parse(request.body);
    const record = recordFor(request, options);
    let image = '';
    const before: BeforeRetry = async (letter) => {
      image = `${letter.job.repository}:${letter.job.tag}`;
      await record(letter);
    };
    const notice = await guarded(options, async () => {
      const [result] = await Array.fromAsync(retryNamed(deadLetters, [id], before));
      return noticeOf(result, image);
    });
    return answer(request, reply, notice, options);
  });

  app.post('/retry-all', { preHandler }, async (request, reply) => {
    const { code } = RetryAllForm.parse(request.body);
    let queued = 0;
    let unreadable = 0;
    const notice = await guarded(options, async () => {
      for await (const { status } of retryAll(deadLetters, { code }, recordFor(request, options))) {
        if (status === 'queued') queued += 1;
        else unreadable += 1;
        if (queued >= limits.retriedAtOnce) break;
      }
      return noticeOfAll({ code, queued, unreadable, isLimit: queued >= limits.retriedAtOnce });
    });
    const done = notice.kind === 'failed' && queued > 0 ? ` ${showCount(queued)} were queued again before that.` : '';
    return answer(request, reply, { ...notice, text: `${notice.text}${done}` }, options);
  });
}

async function requireOperator(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  if (visitorOf(request).user.role === 'operator') return undefined;
  return refuse(request, reply, 403, 'Only the role operator may send dead letters again.');
}

/** Who sends what again, when: written before it is done, so that nothing is done that is not on record. */
function recordFor(request: FastifyRequest, { audit, logger }: RetryRoutesOptions): BeforeRetry {
  const { user }: Visitor = visitorOf(request);
  return async ({ id, code, job: { registry, repository, tag } }) => {
    const entry = { user: user.name, deadLetter: id, code, registry, repository, tag, address: request.ip };
    await audit.write({ kind: 'operator', action: 'retry-dead-letter', ...entry });
    logger.info(entry, 'ops: a dead letter is sent again');
  };
}

/** What stops a retry is told to whoever clicked; what is unexpected is not. */
async function guarded({ logger }: RetryRoutesOptions, retry: () => Promise<Notice>): Promise<Notice> {
  try {
    return await retry();
  } catch (error) {
    if (!isAutosignError(error, 'redis-unreachable', 'audit-unwritable')) throw error;
    logger.error({ err: error }, 'ops: a dead letter could not be sent again');
    return { kind: 'failed', text: `Not done. ${error.message}` };
  }
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  notice: Notice,
  { sessions, overview }: RetryRoutesOptions,
): FastifyReply {
  overview.forget();
  sessions.notify(visitorOf(request).session.id, notice);
  return reply.redirect('/ops', 303);
}

function noticeOf(result: Retried | undefined, image: string): Notice {
  switch (result?.status) {
    case 'queued':
      return {
        kind: 'done',
        text: `${image} is queued again, as job ${cut(result.job ?? '', 64)} with the live pushes.`,
      };
    case 'unreadable':
      return {
        kind: 'failed',
        text: 'That is not a job of this release and stays. Post the event of its image again.',
      };
    case 'missing':
    case undefined:
      return { kind: 'failed', text: 'There is no such dead letter any more: somebody else has handled it.' };
  }
}

function noticeOfAll(done: { code: string; queued: number; unreadable: number; isLimit: boolean }): Notice {
  const stay = done.unreadable > 0 ? ` ${showCount(done.unreadable)} are no jobs of this release and stay.` : '';
  const more = done.isLimit ? ' That is the most for one click; see whether there are more.' : '';
  const text = `${showCount(done.queued)} with the cause ${done.code} queued again, behind the live pushes.${more}${stay}`;
  return { kind: done.queued > 0 ? 'done' : 'failed', text };
}
