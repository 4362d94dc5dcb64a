import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isErrorCode } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetterCode } from '../queue/dead-letters.ts';
import { visitorOf } from './access.ts';
import type { DashboardLimits } from './dashboard-limits.ts';
import { type DeadLetterChoice, deadLettersSection } from './dead-letters-section.ts';
import { finishedSection } from './finished-section.ts';
import { html } from './html.ts';
import type { OverviewReader } from './overview.ts';
import { sendPage } from './page.ts';
import type { Sessions } from './sessions.ts';
import { stateSection } from './state-section.ts';

export interface OverviewRoutesOptions {
  readonly overview: OverviewReader;
  readonly sessions: Pick<Sessions, 'takeNotice'>;
  readonly clock: Clock;
  readonly limits: DashboardLimits;
  readonly csrfToken: (request: FastifyRequest, reply: FastifyReply) => string;
}

// What is wrong in an address that somebody typed is left out.
const Choice = z.object({
  code: z.custom<DeadLetterCode>(isDeadLetterCode).optional().catch(undefined),
  page: z.coerce.number().int().min(1).max(1_000).catch(1),
});

/** Whether this is the cause of some dead letter. */
export function isDeadLetterCode(text: unknown): text is DeadLetterCode {
  return typeof text === 'string' && (isErrorCode(text) || text === 'unexpected');
}

/** `GET /ops`: everything on one page. */
export function addOverviewRoutes(app: FastifyInstance, options: OverviewRoutesOptions): void {
  const { overview, sessions, clock, limits, csrfToken } = options;

  app.get('/', async (request, reply) => {
    const { user, session } = visitorOf(request);
    const choice: DeadLetterChoice = Choice.parse(request.query);
    const read = await overview.read();
    const token = csrfToken(request, reply);
    const now = clock.now();
    // The script that looks for news shows parts of its answer only: the notice is left for the page itself.
    const isScript = request.headers['x-live'] !== undefined;
    const shown = { now, textLengthMax: limits.textLengthMax };
    return sendPage(reply, {
      title: 'Overview',
      user,
      csrfToken: token,
      notice: isScript ? undefined : sessions.takeNotice(session.id),
      live: true,
      content: html`${stateSection(read, shown)}
${
  read.queue &&
  deadLettersSection({
    letters: read.queue.deadLetters,
    total: read.queue.counts['failed'] ?? 0,
    choice,
    now,
    limits,
    csrfToken: user.role === 'operator' ? token : undefined,
  })
}
${read.queue && finishedSection(read.queue.finished, shown)}`,
    });
  });
}
