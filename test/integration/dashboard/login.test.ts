import { describe, expect, test } from 'vitest';
import { createWorkerHealth } from '../../../src/receiver/worker-health.ts';
import { calm, csrfOf, host, jobFor, openPages, origin, passwords, usersText } from './open-pages.ts';

describe('without a users file', () => {
  test.each(['/ops', '/ops/', '/ops/login', '/ops/queues/', '/ops/style.css'])('there is no %s', async (url) => {
    const metrics = { render: async () => ({ contentType: 'text/plain', text: '' }) };
    const app = await createWorkerHealth({ health: async () => calm, metrics });
    expect((await app.inject({ url })).statusCode).toBe(404);
    await app.close();
  });
});

describe('the login', () => {
  test('lets in who knows name and password, until they log out', async () => {
    const { browser, state } = await openPages();
    const ada = browser();
    const answer = await ada.logIn('ada');
    expect(answer).toMatchObject({ statusCode: 303, headers: { location: '/ops' } });
    expect((await ada.get('/ops')).body).toContain('<b>ada</b> operator');

    const session = ada.cookies.get('autosign-ops') ?? '';
    expect((await ada.post('/ops/logout', {})).headers['location']).toBe('/ops/login');
    expect(ada.cookies.has('autosign-ops')).toBe(false);
    // Who kept the cookie has nothing.
    ada.cookies.set('autosign-ops', session);
    expect((await ada.get('/ops')).headers['location']).toBe('/ops/login');
    expect(state.log).toMatchObject([
      { msg: 'ops: logged in', user: 'ada', address: '127.0.0.1' },
      { msg: 'ops: logged out', user: 'ada' },
    ]);
  });

  test.each([
    ['a wrong password', 'ada', 'ada has a long passwore'],
    ["somebody else's password", 'ada', passwords.bob],
    ['an unknown name', 'eve', passwords.ada],
    ['no password', 'ada', ''],
    ['no name', '', passwords.ada],
    ['the hash in place of the password', 'ada', usersText.split(/\s/)[2] ?? ''],
    ['a name that objects have', '__proto__', passwords.ada],
    ['a password that is far too long', 'ada', 'x'.repeat(4_000)],
  ])('refuses %s, and does not say which part is wrong', async (_what, name, password) => {
    const { browser, state } = await openPages();
    const visitor = browser();
    const answer = await visitor.logIn(name, password);
    expect(answer.statusCode).toBe(401);
    expect(answer.body).toContain('Name or password is wrong.');
    expect(visitor.cookies.has('autosign-ops')).toBe(false);
    expect(state.log).toMatchObject([{ msg: 'ops: login refused, wrong name or password' }]);
    expect(JSON.stringify(state.log) + answer.body).not.toContain(passwords.ada);
  });

  test('a cookie that was not signed here is nobody', async () => {
    const { loggedIn } = await openPages();
    const ada = await loggedIn('ada');
    const cookie = ada.cookies.get('autosign-ops') ?? '';
    for (const forged of [cookie.split('.')[0] ?? '', `${cookie}x`, `x${cookie}`, '']) {
      ada.cookies.set('autosign-ops', forged);
      expect((await ada.get('/ops')).headers['location'], forged).toBe('/ops/login');
    }
  });

  test('is a new session each time, and ends the one that the browser had', async () => {
    const { loggedIn, app } = await openPages();
    const ada = await loggedIn('ada');
    const first = ada.cookies.get('autosign-ops') ?? '';
    const token = csrfOf((await ada.get('/ops')).body);
    await ada.post('/ops/login', { name: 'bob', password: passwords.bob, _csrf: token });
    expect(ada.cookies.get('autosign-ops')).not.toBe(first);
    const headers = { host, accept: 'text/html' };
    expect((await app.inject({ url: '/ops', headers, cookies: { 'autosign-ops': first } })).statusCode).toBe(303);
  });

  test('has a limit of wrong tries for each address; then the right password waits too', async () => {
    const { browser, state } = await openPages({ limits: { wrongLoginsPerMinuteMax: 2 } });
    for (let times = 0; times < 3; times += 1) expect((await browser().logIn('ada')).statusCode).toBe(303);
    const eve = browser();
    expect((await eve.logIn('ada', 'guess number one')).statusCode).toBe(401);
    expect((await eve.logIn('ada', 'guess number two')).statusCode).toBe(401);
    const answer = await eve.logIn('ada');
    expect(answer.statusCode).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.body).toContain('Too many tries.');
    expect(state.log.at(-1)).toMatchObject({ msg: 'ops: login refused, too many tries', address: '127.0.0.1' });
  });

  test('has no way around that limit by many guesses at once', async () => {
    const { browser } = await openPages({ limits: { wrongLoginsPerMinuteMax: 2 } });
    const eve = browser();
    await eve.get('/ops/login');
    const guesses = ['one', 'two', 'three', 'four'].map((word) => ({ name: 'ada', password: `guess number ${word}` }));
    const answers = await Promise.all(guesses.map((guess) => eve.post('/ops/login', guess)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([401, 401, 429, 429]);
  });

  test('checks one password after the other, and lets a few wait', async () => {
    const { browser } = await openPages({ limits: { loginsWaitingMax: 1 } });
    const visitors = [browser(), browser(), browser(), browser()];
    await Promise.all(visitors.map((visitor) => visitor.get('/ops/login')));
    const form = { name: 'ada', password: passwords.ada };
    const answers = await Promise.all(visitors.map((visitor) => visitor.post('/ops/login', form)));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([303, 303, 429, 429]);
  });
});

describe('a session ends', () => {
  test.each([
    [
      'when its time is over',
      (state: State) => {
        state.now += 10 * 3600 * 1000;
      },
    ],
    [
      'when its user is taken out of the file',
      (state: State) => {
        state.usersText = usersText.replace('ada', 'eva');
        state.now += 1_000;
      },
    ],
    [
      'when its user has another password',
      (state: State) => {
        state.usersText = usersText.replace(/(ada operator .{30})./, '$1A');
        state.now += 1_000;
      },
    ],
  ])('%s', async (_when, change) => {
    const { loggedIn, state } = await openPages();
    const ada = await loggedIn('ada');
    expect((await ada.get('/ops')).statusCode).toBe(200);
    change(state);
    expect((await ada.get('/ops')).headers['location']).toBe('/ops/login');
  });
});

type State = { now: number; usersText: string };

describe('a request is refused', () => {
  test.each([
    ['GET', '/ops', 401],
    ['POST', '/ops/retry', 401],
    ['POST', '/ops/retry-all', 401],
    ['GET', '/ops/queues/', 401],
    ['GET', '/ops/queues/api/queues', 401],
    ['GET', '/ops/queues/static/images/logo.svg', 401],
    ['PUT', '/ops/queues/api/queues/pause', 401],
    ['GET', '/ops/nothing', 404],
    ['GET', '/ops/login/../queues/', 401],
  ] as const)('without a login: %s %s', async (method, url, status) => {
    const { app } = await openPages();
    const answer = await app.inject({ method, url, headers: { host, origin } });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toContain('application/json');
  });

  test.each([
    ['another host name, as by DNS rebinding', { host: 'evil.example:9090', origin: 'http://evil.example:9090' }, 421],
    ['the origin of another site', { origin: 'http://evil.example' }, 403],
    ['the origin of another port', { origin: 'http://127.0.0.1:8080' }, 403],
    ['no origin', { origin: '' }, 403],
  ])('with %s, and nothing is done', async (_what, headers, status) => {
    const { loggedIn, run, deadLetters } = await openPages();
    const ada = await loggedIn('ada');
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'not-found: gone' });
    expect((await ada.post('/ops/retry', { id }, headers)).statusCode).toBe(status);
    expect(await deadLetters.get(id)).toBeDefined();
  });

  test.each([
    ['without a token', ''],
    ['with a token that was made up', 'x'.repeat(90)],
  ])('%s, and nothing is done', async (_what, token) => {
    const { loggedIn, run, deadLetters } = await openPages();
    const ada = await loggedIn('ada');
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'not-found: gone' });
    for (const [url, fields] of [
      ['/ops/retry', { id }],
      ['/ops/retry-all', { code: 'not-found' }],
      ['/ops/logout', {}],
    ] as const) {
      const answer = await ada.post(url, { ...fields, _csrf: token });
      expect(answer.statusCode, url).toBe(403);
      expect(answer.body).toContain('The form is out of date.');
    }
    expect(await deadLetters.get(id)).toBeDefined();
    expect((await ada.get('/ops')).statusCode).toBe(200);
  });

  test("with the token of another session, even one's own", async () => {
    const { loggedIn, run, deadLetters } = await openPages();
    const [ada, bob] = [await loggedIn('ada'), await loggedIn('bob')];
    const [id = ''] = await run({ data: jobFor('v1'), fails: 'not-found: gone' });
    // The attacker's own token, and the cookie that belongs to it.
    ada.cookies.set('autosign-ops-csrf', bob.cookies.get('autosign-ops-csrf') ?? '');
    const answer = await ada.post('/ops/retry', { id, _csrf: csrfOf((await bob.get('/ops')).body) });
    expect(answer.statusCode).toBe(403);
    expect(await deadLetters.get(id)).toBeDefined();
  });

  test('when its form is too large, or no form', async () => {
    const { loggedIn } = await openPages();
    const ada = await loggedIn('ada');
    expect((await ada.post('/ops/retry', { id: 'x'.repeat(9_000) })).statusCode).toBe(413);
    expect((await ada.post('/ops/retry', { id: 'x'.repeat(2_000) })).statusCode).toBe(400);
    expect((await ada.post('/ops/retry', {})).statusCode).toBe(400);
    expect((await ada.post('/ops/retry-all', { code: 'no-such-code' })).statusCode).toBe(400);
    expect((await ada.post('/ops/retry', { id: '1' }, { 'content-type': 'text/plain' })).statusCode).toBe(415);
  });
});

describe('every answer', () => {
  const urls = ['/ops/login', '/ops', '/ops/queues/', '/ops/queues/api/queues', '/ops/nothing'];
  test.each(urls)('of %s is kept by nobody, framed by nobody, and loads from here alone', async (url) => {
    const { loggedIn } = await openPages();
    const { headers } = await (await loggedIn('ada')).get(url);
    expect(headers['cache-control']).toBe('no-store');
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/unsafe-eval|script-src [^;]*unsafe-inline|https?:/);
    expect(policy).not.toContain(',');
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('same-origin');
  });

  test('has no script and no style of its own in our pages', async () => {
    const { loggedIn } = await openPages();
    const ada = await loggedIn('ada');
    const { body, headers } = await ada.get('/ops');
    expect(body).not.toMatch(/<script(?! defer src="\/ops\/live\.js"><)|<style|\sstyle=|\son[a-z]+=/i);
    expect(String(headers['content-security-policy'])).not.toContain('unsafe');
  });

  test.each([
    [undefined, host, origin, false],
    [new URL('https://ops.example.com'), 'ops.example.com', 'https://ops.example.com', true],
  ])('sets cookies that only /ops gets: public address %s', async (publicUrl, toHost, fromOrigin, secure) => {
    const { browser } = await openPages(publicUrl && { publicUrl });
    const visitor = browser();
    const login = await visitor.get('/ops/login', { host: toHost });
    const form = { name: 'bob', password: passwords.bob };
    const answer = await visitor.post('/ops/login', form, { host: toHost, origin: fromOrigin });
    expect(answer.statusCode).toBe(303);
    for (const cookie of [login.headers['set-cookie'], answer.headers['set-cookie']].flat().map(String)) {
      expect(cookie).toMatch(/^autosign-ops(-csrf)?=.*; Path=\/ops;.*HttpOnly;.*SameSite=Strict$/);
      expect(cookie.includes('; Secure')).toBe(secure);
    }
  });
});

test('metrics and health stay open beside the pages', async () => {
  const { app } = await openPages();
  for (const url of ['/healthz', '/readyz', '/metrics']) {
    expect((await app.inject({ url, headers: { host: 'evil.example' } })).statusCode, url).toBe(200);
  }
});
