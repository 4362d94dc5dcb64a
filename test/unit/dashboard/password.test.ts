import { expect, test } from 'vitest';
import { hashPassword, isPassword, parsePasswordHash } from '../../../src/dashboard/password.ts';

const password = 'correct horse battery';
const text = await hashPassword(password);

function parsed(hash = text) {
  const read = parsePasswordHash(hash);
  if (read === undefined) throw new Error('no hash');
  return read;
}

test('a password is found by its hash, and no other one is', async () => {
  expect(await isPassword(password, parsed())).toBe(true);
  for (const other of ['', 'correct horse batterz', `${password} `, password.toUpperCase()]) {
    expect(await isPassword(other, parsed()), other).toBe(false);
  }
});

test('a letter typed as one code point or as two is the same', async () => {
  const composed = parsed(await hashPassword('caf\u00e9 au lait'));
  expect(await isPassword('cafe\u0301 au lait', composed)).toBe(true);
});

test('each hash has a salt of its own and names what it cost', async () => {
  expect(text).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(await hashPassword(password)).not.toBe(text);
});

test('one changed letter of a hash or its salt lets nobody in', async () => {
  const [, , , salt = '', hash = ''] = text.split('$');
  const flip = (part: string) => (part.startsWith('A') ? `B${part.slice(1)}` : `A${part.slice(1)}`);
  expect(await isPassword(password, parsed(text.replace(hash, flip(hash))))).toBe(false);
  expect(await isPassword(password, parsed(text.replace(salt, flip(salt))))).toBe(false);
});

test.each([
  ['nothing', ''],
  ['a plain password', 'hunter2'],
  ['another algorithm', text.replace('scrypt', 'bcrypt')],
  ['a cheaper one', text.replace('ln=15', 'ln=14')],
  ['one round less', text.replace('p=3', 'p=2')],
  ['one that would take gigabytes', text.replace('ln=15', 'ln=24')],
  ['smaller blocks', text.replace('r=8', 'r=1')],
  ['a short salt', text.replace(/\$[^$]{22}\$/, '$AAAA$')],
  ['a short hash', text.slice(0, -1)],
  ['more behind it', `${text}$x`],
])('is no hash that counts: %s', (_what, wrong) => {
  expect(parsePasswordHash(wrong)).toBeUndefined();
});
