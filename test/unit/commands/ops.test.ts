import { Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { makeUser, opsCommand } from '../../../src/commands/ops.ts';
import { isPassword } from '../../../src/dashboard/password.ts';
import { parseUsersFile } from '../../../src/dashboard/users-file.ts';

async function run(args: readonly string[], input = ''): Promise<string> {
  let written = '';
  const output = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  const stdin = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([input]) as typeof process.stdin);
  try {
    await opsCommand()
      .exitOverride()
      .parseAsync(['user', ...args], { from: 'user' });
  } finally {
    output.mockRestore();
    stdin.mockRestore();
  }
  return written;
}

async function letsIn(line: string, name: string, password: string): Promise<boolean> {
  const user = parseUsersFile(line, 'users.txt').get(name);
  return user !== undefined && (await isPassword(password, user.password));
}

test('makes a password of 144 bits, shown once, and the line that lets it in', async () => {
  const text = await run(['ada', '--role', 'operator']);
  const password = /^ {2}([\w-]{24})$/m.exec(text)?.[1] ?? '';
  const line = text.split('\n').find((one) => one.startsWith('ada operator ')) ?? '';
  expect(await letsIn(line, 'ada', password)).toBe(true);
  expect(line).not.toContain(password);
});

test('prints one object for scripts', async () => {
  const made = JSON.parse(await run(['bob', '--role', 'viewer', '--json']));
  expect(Object.keys(made)).toEqual(['name', 'role', 'password', 'line']);
  expect(await letsIn(made.line, 'bob', made.password)).toBe(true);
});

test('takes a password from the standard input and does not repeat it', async () => {
  const text = await run(['ada', '--role', 'viewer', '--password-stdin'], 'correct horse battery\n');
  expect(await letsIn(text.trim().split('\n').at(-1) ?? '', 'ada', 'correct horse battery')).toBe(true);
  expect(text).not.toContain('correct horse battery');
});

test.each([
  [['--role', 'viewer', '--', '-ada'], /cannot be the name of a user/],
  [['a b', '--role', 'viewer'], /cannot be the name of a user/],
  [['ada', '--role', 'viewer', '--password-stdin'], /must have 12 to 512 characters/],
])('refuses %j', async (args, expected) => {
  await expect(run(args, 'too short\n')).rejects.toThrow(expected);
});

test('a password that is too long is refused without being quoted', async () => {
  await expect(makeUser('ada', 'viewer', 'x'.repeat(513))).rejects.toMatchObject({
    code: 'usage',
    message: 'The password must have 12 to 512 characters.',
  });
});
