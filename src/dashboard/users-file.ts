import { AutosignError } from '../domain/errors.ts';
import { type PasswordHash, parsePasswordHash } from './password.ts';

/** `viewer` sees everything, `operator` may also send dead letters again. */
export const opsRoles = ['viewer', 'operator'] as const;
export type OpsRole = (typeof opsRoles)[number];

/** Whoever may log in to `/ops`. */
export interface OpsUser {
  readonly name: string;
  readonly role: OpsRole;
  readonly password: PasswordHash;
  /** The text of the hash: with another password it is another one. */
  readonly passwordHash: string;
}

/** At least one. */
export type OpsUsers = ReadonlyMap<string, OpsUser>;

/** Names are shown, logged and written into the audit file. */
export const opsUserNamePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

const makeOne = 'make a line with "autosign ops user NAME --role viewer" (or operator)';

/**
 * Reads the users file: a line `NAME ROLE HASH` for each user; empty lines and those that begin with `#` say nothing.
 * @param file its path, for messages
 * @throws AutosignError `settings-invalid` with a line `file:line: …` for each problem, which never quotes the line
 */
export function parseUsersFile(text: string, file: string): OpsUsers {
  const users = new Map<string, OpsUser>();
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const user = readLine(line);
    const problem = typeof user === 'string' ? user : users.has(user.name) ? 'this user has a line already' : undefined;
    if (problem !== undefined) problems.push(`${file}:${index + 1}: ${problem}`);
    else if (typeof user !== 'string') users.set(user.name, user);
  }
  if (problems.length === 0 && users.size === 0) problems.push(`${file}:1: there is no user; ${makeOne}`);
  if (problems.length === 0) return users;
  throw new AutosignError('settings-invalid', ['Wrong users file of /ops:', ...problems].join('\n  '));
}

/** The user of a line, or what is wrong with it. */
function readLine(line: string): OpsUser | string {
  const [name = '', role = '', passwordHash = '', ...rest] = line.trim().split(/\s+/);
  if (passwordHash === '' || rest.length > 0) return `expected NAME ROLE HASH; ${makeOne}`;
  if (!opsUserNamePattern.test(name))
    return 'expected a name of 1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit';
  const known = opsRoles.find((one) => one === role);
  if (known === undefined) return `expected the role ${opsRoles.join(' or ')} after the name`;
  const password = parsePasswordHash(passwordHash);
  if (password === undefined) return `the third part is no hash of a password; ${makeOne}`;
  return { name, role: known, password, passwordHash };
}
