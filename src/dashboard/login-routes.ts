import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Logger } from '../observability/logger.ts';
import { type FindVisitorOptions, sessionCookie, visitorOf } from './access.ts';
import type { DashboardLimits } from './dashboard-limits.ts';
import { html, type Markup } from './html.ts';
import { csrfField, sendPage } from './page.ts';
import { isPassword } from './password.ts';
import type { OpsUser, OpsUsers } from './users-file.ts';

export interface LoginRoutesOptions extends FindVisitorOptions {
  readonly logger: Logger;
  readonly limits: DashboardLimits;
  /** A token for a form on the page that is the answer. */
  readonly csrfToken: (request: FastifyRequest, reply: FastifyReply) => string;
  readonly cookieOptions: (request: FastifyRequest) => object;
}

const LoginForm = z.object({ name: z.string(), password: z.string() });

/** `/ops/login` and `/ops/logout`. Who they let in is decided by the users file and nothing else. */
export function addLoginRoutes(app: FastifyInstance, options: LoginRoutesOptions): void {
  const { users, sessions, logger, limits, csrfToken, cookieOptions } = options;
  const countTry = app.createRateLimit({ max: limits.loginsPerMinuteMax, timeWindow: 60_000 });
  const check = oneAtATime(limits.loginsWaitingMax, checkPassword);

  const showLogin = (request: FastifyRequest, reply: FastifyReply, problem?: string) =>
    sendPage(reply, { title: 'Log in', content: loginForm(csrfToken(request, reply), problem) });

  app.get('/login', async (request, reply) =>
    request.visitor === null ? showLogin(request, reply) : reply.redirect('/ops', 303),
  );

  app.post('/login', { preHandler: app.csrfProtection }, async (request, reply) => {
    const count = await countTry(request);
    if (!count.isAllowed && count.isExceeded) {
      logger.warn({ address: request.ip }, 'ops: login refused, too many tries');
      reply.code(429).header('retry-after', String(count.ttlInSeconds));
      return showLogin(request, reply, `Too many tries. Wait ${count.ttlInSeconds} seconds.`);
    }
    const form = LoginForm.safeParse(request.body);
    const { name = '', password = '' } = form.data ?? {};
    const checked = check(await users.current(), name, password.slice(0, limits.passwordLengthMax + 1));
    if (checked === 'busy') {
      reply.code(429).header('retry-after', '5');
      return showLogin(request, reply, 'Too many people log in just now. Try again in a few seconds.');
    }
    const user = password.length > limits.passwordLengthMax ? undefined : await checked;
    if (user === undefined) {
      // Not the name: it may be a password that was typed into the wrong field.
      logger.warn({ address: request.ip }, 'ops: login refused, wrong name or password');
      return showLogin(request, reply.code(401), 'Name or password is wrong.');
    }
    // A session that this browser had, of somebody else perhaps, ends here.
    if (request.visitor !== null) sessions.end(request.visitor.session.id);
    const session = sessions.begin(user);
    logger.info({ user: user.name, role: user.role, address: request.ip }, 'ops: logged in');
    reply.setCookie(sessionCookie, session.id, { ...cookieOptions(request), expires: session.endsAt });
    return reply.redirect('/ops', 303);
  });

  app.post('/logout', { preHandler: [requireVisitor, app.csrfProtection] }, async (request, reply) => {
    const { user, session } = visitorOf(request);
    sessions.end(session.id);
    logger.info({ user: user.name, address: request.ip }, 'ops: logged out');
    reply.clearCookie(sessionCookie, cookieOptions(request));
    return reply.redirect('/ops/login', 303);
  });
}

async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  return request.visitor === null ? reply.redirect('/ops/login', 303) : undefined;
}

/** Gives the user whose name and password these are. An unknown name costs as much time as a wrong password. */
async function checkPassword(users: OpsUsers, name: string, password: string): Promise<OpsUser | undefined> {
  const user = users.get(name);
  const [anybody] = users.values();
  const against = user ?? anybody;
  const isRight = against !== undefined && (await isPassword(password, against.password));
  return isRight ? user : undefined;
}

/** Runs one call after the other; with more than `waitingMax` under way a further one is refused. */
function oneAtATime<Args extends readonly unknown[], Result>(
  waitingMax: number,
  run: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> | 'busy' {
  let last: Promise<unknown> = Promise.resolve();
  let underWay = 0;
  return (...args) => {
    if (underWay > waitingMax) return 'busy';
    underWay += 1;
    const result = last
      .then(() => run(...args))
      .finally(() => {
        underWay -= 1;
      });
    last = result.catch(() => undefined);
    return result;
  };
}

function loginForm(token: string, problem: string | undefined): Markup {
  return html`<form class="login" method="post" action="/ops/login">
<h1><img src="/ops/icon.svg" alt="" width="28" height="28">acr-autosign</h1>
<p>Operators of this worker</p>
${problem && html`<p class="notice failed" role="alert">${problem}</p>`}
${csrfField(token)}
<label>Name <input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button class="primary">Log in</button>
</form>`;
}
