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

// By then all who wait have been served.
const busySeconds = 5;

const LoginForm = z.object({ name: z.string(), password: z.string() });

/** `/ops/login` and `/ops/logout`. Who they let in is decided by the users file and nothing else. */
export function addLoginRoutes(app: FastifyInstance, options: LoginRoutesOptions): void {
  const { sessions, logger, csrfToken, cookieOptions } = options;
  const tryToLogIn = createTries(app, options);

  const showLogin = (request: FastifyRequest, reply: FastifyReply, problem?: string) =>
    sendPage(reply, { title: 'Log in', content: loginForm(csrfToken(request, reply), problem) });

  app.get('/login', async (request, reply) =>
    request.visitor === null ? showLogin(request, reply) : reply.redirect('/ops', 303),
  );

  app.post('/login', { preHandler: app.csrfProtection }, async (request, reply) => {
    const attempt = await tryToLogIn(request);
    switch (attempt.result) {
      case 'wrong':
        // Not the name: it may be a password that was typed into the wrong field.
        logger.warn({ address: request.ip }, 'ops: login refused, wrong name or password');
        return showLogin(request, reply.code(401), 'Name or password is wrong.');
      case 'wait':
        logger.warn({ address: request.ip }, 'ops: login refused, too many tries');
        reply.code(429).header('retry-after', String(attempt.seconds));
        return showLogin(request, reply, `Too many tries. Wait ${attempt.seconds} seconds.`);
      case 'right': {
        const { user } = attempt;
        // A session that this browser had, of somebody else perhaps, ends here.
        if (request.visitor !== null) sessions.end(request.visitor.session.id);
        const session = sessions.begin(user);
        logger.info({ user: user.name, role: user.role, address: request.ip }, 'ops: logged in');
        reply.setCookie(sessionCookie, session.id, { ...cookieOptions(request), expires: session.endsAt });
        return reply.redirect('/ops', 303);
      }
    }
  });

  app.post('/logout', { preHandler: [requireVisitor, app.csrfProtection] }, async (request, reply) => {
    const { user, session } = visitorOf(request);
    sessions.end(session.id);
    logger.info({ user: user.name, address: request.ip }, 'ops: logged out');
    reply.clearCookie(sessionCookie, cookieOptions(request));
    return reply.redirect('/ops/login', 303);
  });
}

type Attempt =
  | { readonly result: 'right'; readonly user: OpsUser }
  | { readonly result: 'wrong' }
  | { readonly result: 'wait'; readonly seconds: number };

/** Checks one try after the other, so that no burst of guesses gets around the limit or takes the worker's memory. */
function createTries(app: FastifyInstance, { users, limits }: LoginRoutesOptions) {
  const wrongTries = app.createRateLimit({ max: limits.wrongLoginsPerMinuteMax, timeWindow: 60_000 });
  let last: Promise<unknown> = Promise.resolve();
  let underWay = 0;

  async function tryNow(request: FastifyRequest): Promise<Attempt> {
    const count = await wrongTries(request, { increment: false });
    // Not even a right password counts now, or the limit would only keep a guesser from hearing of misses.
    if (!count.isAllowed && count.remaining <= 0) return { result: 'wait', seconds: count.ttlInSeconds };
    const { name = '', password = '' } = LoginForm.safeParse(request.body).data ?? {};
    const isTooLong = password.length > limits.passwordLengthMax;
    const user = isTooLong ? undefined : await checkPassword(await users.current(), name, password);
    if (user !== undefined) return { result: 'right', user };
    await wrongTries(request);
    return { result: 'wrong' };
  }

  return (request: FastifyRequest): Promise<Attempt> => {
    if (underWay > limits.loginsWaitingMax) return Promise.resolve({ result: 'wait', seconds: busySeconds });
    underWay += 1;
    const attempt = last
      .then(() => tryNow(request))
      .finally(() => {
        underWay -= 1;
      });
    last = attempt.catch(() => undefined);
    return attempt;
  };
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
