import { randomBytes } from 'node:crypto';
import cookie from '@fastify/cookie';
import csrfProtection from '@fastify/csrf-protection';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Clock } from '../ports/clock.ts';
import { findVisitor, requireLogin } from './access.ts';
import type { AllowedHosts } from './allowed-hosts.ts';
import { addAssetRoutes } from './asset-routes.ts';
import { addLoginRoutes } from './login-routes.ts';
import { createOverviewReader, type OverviewSources } from './overview.ts';
import { addOverviewRoutes } from './overview-routes.ts';
import { addQueueBoard, type QueueBoardOptions } from './queue-board.ts';
import { refuse } from './refuse.ts';
import { addRetryRoutes, type RetryRoutesOptions } from './retry-routes.ts';
import { pageHeaders } from './security-headers.ts';
import { createSessions } from './sessions.ts';
import type { UserSource } from './user-source.ts';

export interface DashboardOptions
  extends QueueBoardOptions,
    OverviewSources,
    Pick<RetryRoutesOptions, 'audit' | 'deadLetters'> {
  readonly users: UserSource;
  readonly hosts: AllowedHosts;
  readonly clock: Clock;
  readonly deadLetters: RetryRoutesOptions['deadLetters'];
}

/**
 * The operators' pages, to be registered below `/ops`: login, overview with dead letters, queues. Every request passes
 * host, origin (when it changes something), and login, in this order, before anything of it is read.
 */
export function createDashboard(options: DashboardOptions): FastifyPluginAsync {
  const { users, hosts, clock, logger, limits } = options;
  const sessions = createSessions({ clock, lifetimeMs: limits.sessionLifetimeMs, sessionsMax: limits.sessionsMax });
  const overview = createOverviewReader(options, limits);
  // New with each start, as the sessions are.
  const [cookieSecret, csrfSecret] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
  const cookieOptions = (request: FastifyRequest) => ({
    path: '/ops',
    httpOnly: true,
    sameSite: 'strict' as const,
    signed: true,
    secure: hosts.isSecure(request.headers.host),
  });
  const ownerOf = (request: FastifyRequest) => request.visitor?.session.id ?? 'nobody';
  const csrfToken = (request: FastifyRequest, reply: FastifyReply) =>
    reply.generateCsrf({ ...cookieOptions(request), userInfo: ownerOf(request) });

  return async (app) => {
    app.decorateRequest('visitor', null);
    // First, so that refusals have them too.
    await app.register(helmet, pageHeaders);
    app.addHook('onRequest', checkSource(hosts));
    await app.register(cookie, { secret: cookieSecret });
    await app.register(csrfProtection, {
      cookieKey: 'autosign-ops-csrf',
      cookieOpts: { path: '/ops', httpOnly: true, sameSite: 'strict', signed: true },
      csrfOpts: { hmacKey: csrfSecret },
      getUserInfo: ownerOf,
      // Only from the form: a header is nothing that a page of ours sends.
      getToken: ({ body }) => z.object({ _csrf: z.string() }).safeParse(body).data?._csrf,
    });
    await app.register(rateLimit, { global: false, cache: limits.loginAddressesMax });
    // Forms are all that our pages send.
    app.removeAllContentTypeParsers();
    await app.register(formbody, { bodyLimit: limits.bodyBytesMax });
    app.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store');
      request.visitor = await findVisitor(request, { sessions, users });
    });
    answerErrors(app, options);

    addAssetRoutes(app);
    addLoginRoutes(app, { users, sessions, logger, limits, csrfToken, cookieOptions });
    await app.register(async (inside) => {
      inside.addHook('onRequest', requireLogin);
      addOverviewRoutes(inside, { overview, sessions, clock, limits, csrfToken });
      addRetryRoutes(inside, { ...options, overview, sessions });
      await addQueueBoard(inside, '/queues', options);
    });
  };
}

/** Refuses what was not meant for us, and what another site makes a browser send. */
function checkSource(hosts: AllowedHosts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const { host, origin } = request.headers;
    if (!hosts.isOurs(host)) {
      return refuse(
        request,
        reply,
        421,
        'This host name is not configured: set AUTOSIGN_OPS_URL to the address in use.',
      );
    }
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    if (changes && !hosts.isSameOrigin(origin, host)) {
      return refuse(
        request,
        reply,
        403,
        'The request comes from another site. Behind a proxy, set AUTOSIGN_OPS_URL to the address in use.',
      );
    }
    return undefined;
  };
}

function answerErrors(app: FastifyInstance, { logger }: Pick<DashboardOptions, 'logger'>): void {
  app.setNotFoundHandler((request, reply) => refuse(request, reply, 404, 'There is no such page.'));
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error instanceof z.ZodError) return refuse(request, reply, 400, 'The form is not one of ours.');
    if (error.code?.startsWith('FST_CSRF_')) {
      return refuse(request, reply, 403, 'The form is out of date. Go back, load the page again, and repeat it.');
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return refuse(request, reply, status, 'The request could not be read.');
    logger.error({ err: error }, 'ops: request failed');
    return refuse(request, reply, 500, "Something unexpected happened; the worker's log has the details.");
  });
}
