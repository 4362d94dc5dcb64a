import { randomBytes } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import { dashboardLimits } from '../dashboard/dashboard-limits.ts';
import { hashPassword } from '../dashboard/password.ts';
import { type OpsRole, opsRoles, opsUserNamePattern } from '../dashboard/users-file.ts';
import { AutosignError } from '../domain/errors.ts';

export interface MadeUser {
  readonly name: string;
  readonly role: OpsRole;
  /** The one that was made here; absent when it was given. */
  readonly password?: string;
  /** For the users file. */
  readonly line: string;
}

// 144 bits, 24 characters: nobody guesses it, also whoever reads the users file.
const passwordBytes = 18;
const passwordLengthLeast = 12;

const example = `
Examples:
  $ autosign ops user ada --role operator
  $ autosign ops user ada --role viewer --password-stdin < password.txt
  $ autosign ops user ada --role operator --json

Put the line into the file that AUTOSIGN_OPS_USERS_FILE names for the worker, in place of the line that this user
had. A running worker takes it over within a second or two; whoever is logged in with an old password is out. The
password is shown once and stored nowhere.

Exit codes:
  0 ok  2 usage`;

/** `autosign ops …` */
export function opsCommand(): Command {
  const command = new Command('ops').description("make users of the operators' page, /ops of work");
  command
    .command('user')
    .description('make a password, and the line of this user for the users file')
    .argument('<name>', 'what the user types at the login')
    .addOption(
      new Option('--role <role>', 'a viewer sees everything, an operator may also send dead letters again')
        .choices(opsRoles)
        .makeOptionMandatory(),
    )
    .option('--password-stdin', 'take the password from the standard input (its first line) instead of making one')
    .option('--json', 'print one JSON object')
    .addHelpText('after', example)
    .action(async (name: string, options: { role: OpsRole; passwordStdin?: true; json?: true }) => {
      const given = options.passwordStdin ? firstLine(await readAll(process.stdin)) : undefined;
      const made = await makeUser(name, options.role, given);
      process.stdout.write(options.json ? `${JSON.stringify(made)}\n` : describe(made));
    });
  return command;
}

/**
 * Makes the line of a user, with a password of its own when none is given.
 * @throws AutosignError `usage`, which never quotes the password
 */
export async function makeUser(name: string, role: OpsRole, given?: string): Promise<MadeUser> {
  if (!opsUserNamePattern.test(name)) {
    const expected = '1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit';
    throw new AutosignError('usage', `"${name}" cannot be the name of a user: expected ${expected}.`);
  }
  const most = dashboardLimits.passwordLengthMax;
  if (given !== undefined && (given.length < passwordLengthLeast || given.length > most)) {
    throw new AutosignError('usage', `The password must have ${passwordLengthLeast} to ${most} characters.`);
  }
  const password = given ?? randomBytes(passwordBytes).toString('base64url');
  const line = `${name} ${role} ${await hashPassword(password)}`;
  return { name, role, ...(given === undefined && { password }), line };
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? '';
}

function describe({ password, line }: MadeUser): string {
  const shown = password === undefined ? '' : `Password, shown this once:\n  ${password}\n\n`;
  return `${shown}In the file that AUTOSIGN_OPS_USERS_FILE names:\n${line}\n`;
}
