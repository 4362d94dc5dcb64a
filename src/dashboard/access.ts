import type { FastifyReply, FastifyRequest } from 'fastify';
import { refuse, wantsPage } from './refuse.ts';
import type { Session, Sessions } from './sessions.ts';
import type { UserSource } from './user-source.ts';
import type { OpsUser } from './users-file.ts';

/** Who sends a request. */
export interface Visitor {
  readonly user: OpsUser;
  readonly session: Session;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where nobody is logged in, and outside of `/ops`. */
    visitor: Visitor | null;
  }
}

export const sessionCookie = 'autosign-ops';

export interface FindVisitorOptions {
  readonly sessions: Sessions;
  readonly users: UserSource;
}

/** Finds out who sends a request. The file is asked each time: who was taken out of it, or has another role, is so at once. */
export async function findVisitor(
  request: FastifyRequest,
  { sessions, users }: FindVisitorOptions,
): Promise<Visitor | null> {
  const { value, valid } = request.unsignCookie(request.cookies[sessionCookie] ?? '');
  const session = valid ? sessions.get(value) : undefined;
  if (session === undefined) return null;
  const user = (await users.current()).get(session.userName);
  return user?.passwordHash === session.passwordHash ? { user, session } : null;
}

/** Sends who is not logged in to the login, or says 401 to what is no page. */
export async function requireLogin(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  if (request.visitor !== null) return undefined;
  if (request.method === 'GET' && wantsPage(request)) return reply.redirect('/ops/login', 303);
  return refuse(request, reply, 401, 'You are not logged in, or not any more. Log in at /ops/login.');
}

/** Who sends a request that `requireLogin` has let through. */
export function visitorOf(request: FastifyRequest): Visitor {
  if (request.visitor === null) throw new Error('a route behind the login was reached without one');
  return request.visitor;
}
