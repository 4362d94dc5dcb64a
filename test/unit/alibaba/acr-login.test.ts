import { expect, onTestFinished, test } from 'vitest';
import { createAcrLogin } from '../../../src/alibaba/acr-login.ts';
import type { RenewalMargins } from '../../../src/alibaba/renewed-secret.ts';
import { type AcrScript, startScriptedAcr } from './scripted-acr.ts';

const minuteMs = 60_000;

/** A login of an instance whose tokens live an hour, on a clock that the test moves. */
async function startLogin(script?: AcrScript, margins?: RenewalMargins) {
  let nowMs = Date.parse('2026-01-02T03:04:05Z');
  let number = 0;
  const hourly: AcrScript = () => {
    number += 1;
    return { TempUsername: 'cr_temp_user', AuthorizationToken: `token-${number}`, ExpireTime: nowMs + 60 * minuteMs };
  };
  const answering = { script: script ?? hourly };
  const acr = await startScriptedAcr((action, query) => answering.script(action, query));
  onTestFinished(() => acr[Symbol.asyncDispose]());
  const login = createAcrLogin({ api: acr.api, clock: { now: () => new Date(nowMs) }, margins });
  return {
    login,
    answering,
    hourly,
    password: async () => (await login.credentials())?.password,
    asked: () => acr.actions().length,
    advance: (ms: number) => {
      nowMs += ms;
    },
    now: () => nowMs,
  };
}

test('is asked for once by a hundred callers that come at the same time', async () => {
  const { login, asked } = await startLogin();
  const all = await Promise.all(Array.from({ length: 100 }, () => login.credentials()));
  expect(new Set(all)).toEqual(new Set([{ username: 'cr_temp_user', password: 'token-1' }]));
  expect(asked()).toBe(1);
});

test('is renewed with a third of its life left, and holds nobody up meanwhile', async () => {
  const { password, advance, asked } = await startLogin();
  expect(await password()).toBe('token-1');
  advance(39 * minuteMs);
  expect(await password()).toBe('token-1');
  expect(asked()).toBe(1);
  advance(minuteMs);
  expect(await password()).toBe('token-1');
  await expect.poll(password).toBe('token-2');
  expect(asked()).toBe(2);
});

test('is never handed out when it is over, whatever the service does', async () => {
  const { password, answering, hourly, advance } = await startLogin();
  await password();
  answering.script = () => ({ httpStatus: 503, Code: 'ServiceUnavailable' });
  advance(58 * minuteMs);
  expect(await password()).toBe('token-1');
  advance(minuteMs);
  await expect(password()).rejects.toMatchObject({ code: 'registry-unreachable' });
  answering.script = hourly;
  expect(await password()).toBe('token-2');
});

test('a failed try is not remembered', async () => {
  const { password, answering, hourly } = await startLogin(() => ({ IsSuccess: false, Code: 'INSTANCE_NOT_EXIST' }));
  await expect(password()).rejects.toMatchObject({ code: 'registry-login-refused' });
  answering.script = hourly;
  expect(await password()).toBe('token-1');
});

test('goes by ExpireTime when that is sooner than an hour, as with the session of a role; a string too', async () => {
  const { login, advance, password, asked, now, answering } = await startLogin();
  answering.script = () => ({
    TempUsername: 'u',
    AuthorizationToken: `${asked()}`,
    ExpireTime: `${now() + 16 * minuteMs}`,
  });
  const first = await login.credentials();
  advance(14 * minuteMs);
  expect(await login.credentials()).toBe(first);
  advance(minuteMs);
  expect(await password()).not.toBe(first?.password);
});

test('a slow clock of ours does not stretch it beyond an hour', async () => {
  const { password, answering, now, advance, asked } = await startLogin();
  const expireTime = now() + 600 * minuteMs;
  answering.script = () => ({ TempUsername: 'u', AuthorizationToken: `${asked()}`, ExpireTime: expireTime });
  const first = await password();
  advance(59.5 * minuteMs);
  expect(await password()).not.toBe(first);
});

test('one that is over as it comes is refused, and the clock is named', async () => {
  const { password } = await startLogin(() => ({
    TempUsername: 'u',
    AuthorizationToken: 'p',
    ExpireTime: 1_000_000_000_000,
  }));
  await expect(password()).rejects.toMatchObject({
    code: 'registry-login-refused',
    message: expect.stringContaining('clock'),
  });
});

test.each([
  { AuthorizationToken: 'p', ExpireTime: 2e12 },
  { TempUsername: '', AuthorizationToken: 'p', ExpireTime: 2e12 },
  { TempUsername: 'u', ExpireTime: 2e12 },
  { TempUsername: 'u', AuthorizationToken: 'p' },
  { TempUsername: 'u', AuthorizationToken: 'p', ExpireTime: 'soon' },
])('an answer like %o is no login', async (body) => {
  const { password } = await startLogin(() => body);
  await expect(password()).rejects.toMatchObject({ code: 'registry-protocol' });
});

test('one that was refused is asked for anew, and a late word on an older one is ignored', async () => {
  const { login, asked } = await startLogin();
  const first = await login.credentials();
  if (first === undefined) throw new Error('there is a login');
  login.forget?.(first);
  const second = await login.credentials();
  login.forget?.(first);
  expect(await login.credentials()).toBe(second);
  expect(asked()).toBe(2);
});

test('margins scale with lifetimes', async () => {
  const margins = { lastMs: 600, lifeLeftAtRenewal: 1 / 3, failurePauseMs: 300 };
  const { password, answering, now, advance, asked } = await startLogin(undefined, margins);
  answering.script = () => ({ TempUsername: 'u', AuthorizationToken: `${asked()}`, ExpireTime: now() + 36_000 });
  const first = await password();
  advance(23_000);
  expect(await password()).toBe(first);
  expect(asked()).toBe(1);
  advance(12_500);
  expect(await password()).not.toBe(first);
});
