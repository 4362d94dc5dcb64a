import { expect, test } from 'vitest';
import { openUserSource } from '../../../src/dashboard/user-source.ts';

const hash = '$scrypt$ln=15,r=8,p=3$XuIBRMNdE98cp/17+HUSRQ$NEA/MptXZBxlSugafX8ohK6OwcrqimnBvSmPCO8UByA';

function open(first: string | Error) {
  const state = { text: first, now: 0, reads: 0, refused: [] as string[] };
  const source = openUserSource({
    file: '/etc/users.txt',
    readTextFile: async () => {
      state.reads += 1;
      if (state.text instanceof Error) throw state.text;
      return state.text;
    },
    clock: { now: () => new Date(state.now) },
    onRefused: (error) => state.refused.push(error.message),
  });
  return { state, source };
}

function missing(): Error {
  return Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
}

test('follows the file, and looks at it once a second at most', async () => {
  const { state, source } = open(`ada operator ${hash}`);
  const users = await source;
  state.text = `bob viewer ${hash}`;
  state.now = 999;
  expect([...(await users.current()).keys()]).toEqual(['ada']);
  state.now = 1_000;
  const both = await Promise.all([users.current(), users.current()]);
  expect(both.map((read) => [...read.keys()])).toEqual([['bob'], ['bob']]);
  expect(state.reads).toBe(2);
});

test('keeps the last good users while the file is wrong or gone, and says so once for each state', async () => {
  const { state, source } = open(`ada operator ${hash}`);
  const users = await source;
  for (const text of ['ada operator x', 'ada operator x', missing(), `ada viewer ${hash}`, 'ada operator x']) {
    state.text = text;
    state.now += 1_000;
    expect([...(await users.current()).keys()]).toEqual(['ada']);
  }
  expect(state.refused).toEqual([
    expect.stringContaining('/etc/users.txt:1: '),
    expect.stringContaining('/etc/users.txt cannot be read (ENOENT)'),
    expect.stringContaining('/etc/users.txt:1: '),
  ]);
  expect((await users.current()).get('ada')?.role).toBe('viewer');
});

test.each([
  [missing(), 'AUTOSIGN_OPS_USERS_FILE: /etc/users.txt cannot be read (ENOENT). Correct the path'],
  ['ada', '/etc/users.txt:1: expected NAME ROLE HASH'],
])('does not open without a file that is right', async (text, expected) => {
  await expect(open(text).source).rejects.toMatchObject({
    code: 'settings-invalid',
    message: expect.stringContaining(expected),
  });
});
