import { expect, test } from 'vitest';
import { parseUsersFile } from '../../../src/dashboard/users-file.ts';
import { AutosignError } from '../../../src/domain/errors.ts';

// Of "correct horse battery"; what it is the hash of plays no part here.
const hash = '$scrypt$ln=15,r=8,p=3$XuIBRMNdE98cp/17+HUSRQ$NEA/MptXZBxlSugafX8ohK6OwcrqimnBvSmPCO8UByA';

test('reads a user a line, whatever the space between the parts', () => {
  const text = `# operators\n\nada operator ${hash}\r\n  bob\tviewer   ${hash}  \n`;
  const users = parseUsersFile(text, 'users.txt');
  expect([...users.values()]).toMatchObject([
    { name: 'ada', role: 'operator', passwordHash: hash },
    { name: 'bob', role: 'viewer', passwordHash: hash },
  ]);
});

test.each([
  ['', 'users.txt:1: there is no user; make a line with "autosign ops user'],
  ['# nobody\n', 'users.txt:1: there is no user'],
  [`ada operator`, 'users.txt:1: expected NAME ROLE HASH'],
  [`\nada operator ${hash} more`, 'users.txt:2: expected NAME ROLE HASH'],
  [`ada:operator:${hash}`, 'users.txt:1: expected NAME ROLE HASH'],
  [`-ada operator ${hash}`, 'users.txt:1: expected a name of 1 to 64'],
  [`<b> operator ${hash}`, 'users.txt:1: expected a name of 1 to 64'],
  [`${'a'.repeat(65)} operator ${hash}`, 'users.txt:1: expected a name of 1 to 64'],
  [`ada admin ${hash}`, 'users.txt:1: expected the role viewer or operator'],
  [`ada Operator ${hash}`, 'users.txt:1: expected the role viewer or operator'],
  [`ada operator hunter2`, 'users.txt:1: the third part is no hash of a password'],
  [`ada viewer ${hash}\nbob viewer ${hash}\nada operator ${hash}`, 'users.txt:3: this user has a line already'],
])('refuses %j', (text, expected) => {
  expect(messageOf(text)).toContain(expected);
});

test('names every wrong line at once, and quotes none, which may hold a password', () => {
  const message = messageOf('ada operator hunter2\nbob hunter2\n');
  expect(message).toMatch(/users\.txt:1: .*\n.*users\.txt:2: /);
  expect(message).not.toContain('hunter2');
});

function messageOf(text: string): string {
  try {
    parseUsersFile(text, 'users.txt');
  } catch (error) {
    if (error instanceof AutosignError && error.code === 'settings-invalid') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}
