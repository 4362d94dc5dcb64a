import { expect, test } from 'vitest';
import { hashPassword, parsePasswordHash } from '../../../src/dashboard/password.ts';
import { createSessions } from '../../../src/dashboard/sessions.ts';
import type { OpsUser } from '../../../src/dashboard/users-file.ts';

const passwordHash = await hashPassword('correct horse battery');

function userOf(name: string): OpsUser {
  const password = parsePasswordHash(passwordHash);
  if (password === undefined) throw new Error('no hash');
  return { name, role: 'viewer', password, passwordHash };
}

function open(sessionsMax = 10) {
  const state = { now: 1_000 };
  const sessions = createSessions({ clock: { now: () => new Date(state.now) }, lifetimeMs: 500, sessionsMax });
  return { state, sessions };
}

test('a session is found by its id, which nobody guesses', () => {
  const { sessions } = open();
  const { id } = sessions.begin(userOf('ada'));
  expect(Buffer.from(id, 'base64url')).toHaveLength(32);
  expect(sessions.get(id)).toMatchObject({ userName: 'ada', passwordHash });
  expect(sessions.begin(userOf('ada')).id).not.toBe(id);
  expect(sessions.get(`${id}x`)).toBeUndefined();
  expect(sessions.get('__proto__')).toBeUndefined();
});

test('a session ends at its time, and when it is ended', () => {
  const { state, sessions } = open();
  const [one, other] = [sessions.begin(userOf('ada')).id, sessions.begin(userOf('ada')).id];
  sessions.end(one);
  expect(sessions.get(one)).toBeUndefined();
  state.now += 499;
  expect(sessions.get(other)).toBeDefined();
  state.now += 1;
  expect(sessions.get(other)).toBeUndefined();
});

test('with too many sessions the oldest ends, and those whose time is over before it', () => {
  const { state, sessions } = open(2);
  const first = sessions.begin(userOf('a')).id;
  state.now += 400;
  const second = sessions.begin(userOf('b')).id;
  const third = sessions.begin(userOf('c')).id;
  expect(sessions.get(first)).toBeUndefined();
  expect(sessions.get(second)).toBeDefined();
  const fourth = sessions.begin(userOf('d')).id;
  expect([second, third, fourth].map((id) => sessions.get(id)?.userName)).toEqual([undefined, 'c', 'd']);
});

test('a notice is given once, to its own session', () => {
  const { sessions } = open();
  const [one, other] = [sessions.begin(userOf('ada')).id, sessions.begin(userOf('bob')).id];
  sessions.notify(one, { kind: 'done', text: 'queued' });
  expect(sessions.takeNotice(other)).toBeUndefined();
  expect(sessions.takeNotice(one)).toEqual({ kind: 'done', text: 'queued' });
  expect(sessions.takeNotice(one)).toBeUndefined();
  sessions.end(one);
  sessions.notify(one, { kind: 'done', text: 'queued' });
  expect(sessions.takeNotice(one)).toBeUndefined();
});
