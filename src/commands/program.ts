import { Command } from 'commander';
import { isAutosignError } from '../domain/errors.ts';
import { version } from '../domain/version.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
  /** Not for people. */
  readonly hidden?: boolean;
}

// A subcommand is defined in one file and done in another: its help has to come at once, and what it is done with takes
// up to a second to load.
const entries: readonly Entry[] = [
  {
    name: 'serve',
    summary: 'receive push events and queue them',
    load: async () => (await import('./serve-command.ts')).serveCommand(),
  },
  { name: 'work', summary: 'sign what is queued', load: async () => (await import('./work-command.ts')).workCommand() },
  {
    name: 'up',
    summary: 'serve and work in one process, for trying out',
    load: async () => (await import('./up-command.ts')).upCommand(),
  },
  {
    name: 'status',
    summary: 'tell where an image stands, and what to do',
    load: async () => (await import('./status-command.ts')).statusCommand(),
  },
  {
    name: 'verify',
    summary: 'check the signatures of an image',
    load: async () => (await import('./verify-command.ts')).verifyCommand(),
  },
  {
    name: 'doctor',
    summary: 'look for what is wrong on the way to a signature',
    load: async () => (await import('./doctor-command.ts')).doctorCommand(),
  },
  {
    name: 'rules',
    summary: 'check rules files and explain them',
    load: async () => (await import('./rules-command.ts')).rulesCommand(),
  },
  {
    name: 'dead',
    summary: 'list what failed for good, and try it again',
    load: async () => (await import('./dead-command.ts')).deadCommand(),
  },
  {
    name: 'reconcile',
    summary: 'look for images that lack a signature, now',
    load: async () => (await import('./reconcile-command.ts')).reconcileCommand(),
  },
  {
    name: 'backfill',
    summary: 'sign what stood before its rule',
    load: async () => (await import('./backfill-command.ts')).backfillCommand(),
  },
  {
    name: 'cert',
    summary: 'make the certificate of a key',
    load: async () => (await import('./cert-command.ts')).certCommand(),
  },
  {
    name: 'ram',
    summary: 'print the RAM policies that the rules need',
    load: async () => (await import('./ram-command.ts')).ramCommand(),
  },
  {
    name: 'triggers',
    summary: "look after the webhook triggers of ACR's repositories",
    load: async () => (await import('./triggers-command.ts')).triggersCommand(),
  },
  {
    name: 'attestors',
    summary: "look at Security Center's attestors and policies",
    load: async () => (await import('./attestors-command.ts')).attestorsCommand(),
  },
  {
    name: 'ops',
    summary: "make users of the operators' page",
    load: async () => (await import('./ops.ts')).opsCommand(),
  },
  { name: 'token', summary: 'make webhook tokens', load: async () => (await import('./token.ts')).tokenCommand() },
  {
    name: 'completion',
    summary: 'make a shell complete all this',
    load: async () => (await import('./completion-command.ts')).completionCommand(),
  },
  {
    name: 'complete',
    summary: 'answer a completion script',
    load: async () => (await import('./complete-command.ts')).completeCommand(() => buildProgram(() => true)),
    hidden: true,
  },
];

const footer = `
Every command has --help with examples. Settings come from the environment; .env.example lists them.

Exit codes:
  0 ok  1 failed  2 usage or settings  3 invalid  4 not signed  5 no rule wants it  6 denied  7 late  8 unreachable`;

/** Runs the command line `argv`; sets the exit code, prints what is wrong without a stack. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', endQuietly);
  const called = argv[2] === 'help' ? argv[3] : argv[2];
  try {
    const program = await buildProgram((name) => name === called);
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** The command line; of a subcommand that is not `wanted` only the name and the summary. */
export async function buildProgram(wanted: (name: string) => boolean): Promise<Command> {
  const program = new Command('autosign')
    .description('Signs container images in Alibaba Cloud Container Registry the moment they are pushed.')
    .version(version)
    .showHelpAfterError('(see --help)')
    .exitOverride()
    .addHelpText('after', footer);
  for (const { name, summary, load, hidden = false } of entries) {
    const command = wanted(name) ? await load() : new Command(name);
    program.addCommand(inherit(command.summary(summary), program), { hidden });
  }
  return program;
}

/** Nested commands are built before their parent is known; without this a wrong option of theirs would exit with 1. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const nested of command.commands) inherit(nested, command);
  return command;
}

function report(error: unknown): number {
  if (isCommanderError(error)) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (isAutosignError(error)) {
    process.stderr.write(`autosign: ${error.message}\n`);
    return exitCodeOf(error.code);
  }
  process.stderr.write(`autosign: unexpected error\n${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCodes.failed;
}

/** Commander has printed its text already; the class is not imported for one check. */
function isCommanderError(error: unknown): error is { readonly exitCode: number } {
  return error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number';
}

/** Whoever reads our output may have had enough of it, as `head` has. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}
