import type { Argument, Command, Option } from 'commander';
import { failureTable } from '../domain/errors.ts';

interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What may stand at the cursor: these words, or what the shell itself finds on the disk. */
export type Completion = readonly Candidate[] | 'files' | 'folders';

/**
 * What may stand in place of the last of `words`, which are those after the name of the program.
 * @param environment where AUTOSIGN_RULES may name the rules file, as it does for the commands
 */
export async function completeWords(
  program: Command,
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const line = readLine(program, words.slice(0, -1));
  const rulesFile = line.given.get('rules') ?? environment['AUTOSIGN_RULES'];
  const [, name, typed = ''] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
  if (line.pending !== undefined) return startingWith(current, await valuesOf(line.pending, rulesFile));
  if (name !== undefined) {
    const option = findOption(line.command, name);
    const values = option === undefined || !takesValue(option) ? [] : await valuesOf(option, rulesFile);
    return startingWith(typed, values, `${name}=`);
  }
  if (current.startsWith('-') && !line.onlyOperands) return startingWith(current, optionsOf(line));
  const operand = await operandsOf(line, rulesFile);
  if (typeof operand === 'string') return operand;
  const found = startingWith(current, [...subcommandsOf(line), ...operand]);
  // Where nothing else may stand, the options are what is left to say.
  return found.length === 0 && current === '' && !line.onlyOperands ? optionsOf(line) : found;
}

/** The answer as the completion scripts read it. */
export function textOfCompletion(completion: Completion): string {
  if (typeof completion === 'string') return `:${completion}\n`;
  return completion.map(({ value, description }) => `${value}\t${description}\n`).join('');
}

/** What the words before the cursor say. */
interface Line {
  readonly command: Command;
  /** Values of options, by attribute name. */
  readonly given: ReadonlyMap<string, string>;
  readonly seen: ReadonlySet<Option>;
  readonly operands: number;
  /** The option whose value stands at the cursor. */
  readonly pending: Option | undefined;
  /** Behind `--`. */
  readonly onlyOperands: boolean;
}

function readLine(program: Command, before: readonly string[]): Line {
  let command = program;
  let pending: Option | undefined;
  let operands = 0;
  let onlyOperands = false;
  const given = new Map<string, string>();
  const seen = new Set<Option>();
  for (const word of before) {
    if (pending !== undefined) {
      given.set(pending.attributeName(), word);
      pending = undefined;
    } else if (onlyOperands || !word.startsWith('-')) {
      const next = onlyOperands ? undefined : command.commands.find((each) => each.name() === word);
      // After "help" stands what may stand without it.
      if (next !== undefined) command = next;
      else if (command !== program || word !== 'help') operands += 1;
    } else if (word === '--') onlyOperands = true;
    else {
      const [name = '', ...value] = word.split('=');
      const option = findOption(command, name);
      if (option === undefined) continue;
      seen.add(option);
      if (value.length > 0) given.set(option.attributeName(), value.join('='));
      else if (takesValue(option)) pending = option;
    }
  }
  return { command, given, seen, operands, pending, onlyOperands };
}

function findOption(command: Command, name: string): Option | undefined {
  return command.options.find((option) => option.long === name || option.short === name);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function optionsOf({ command, seen }: Line): readonly Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => !seen.has(option))
    .flatMap(({ long, description }) => (long ? [{ value: long, description }] : []));
}

function subcommandsOf({ command, operands }: Line): readonly Candidate[] {
  if (operands > 0) return [];
  const help = command.createHelp();
  return help.visibleCommands(command).map((each) => ({
    value: each.name(),
    description: help.subcommandDescription(each),
  }));
}

async function operandsOf({ command, operands }: Line, rulesFile: string | undefined): Promise<Completion> {
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[operands] ?? (last?.variadic ? last : undefined);
  return argument === undefined ? [] : await valuesOf(argument, rulesFile);
}

/** Values by the name that all commands give to the same thing. */
async function valuesOf(what: Option | Argument, rulesFile: string | undefined): Promise<Completion> {
  const choices = what.argChoices ?? [];
  if (choices.length > 0) return candidates(choices);
  switch ('attributeName' in what ? what.attributeName() : what.name()) {
    case 'rules':
    case 'file':
      return 'files';
    case 'out':
      return 'flags' in what && what.flags.includes('<file>') ? 'files' : 'folders';
    case 'code':
      return candidates([...Object.keys(failureTable), 'unexpected']);
    case 'registry':
      return candidates(await namesIn('registries', rulesFile));
    case 'key':
      return candidates(await namesIn('keys', rulesFile));
    case 'rule':
      return candidates(await namesIn('rules', rulesFile));
    default:
      return [];
  }
}

async function namesIn(section: 'registries' | 'keys' | 'rules', file: string | undefined): Promise<readonly string[]> {
  if (file === undefined || file === '') return [];
  const { readNames } = await import('./names-in-rules-file.ts');
  return readNames(file, section);
}

function candidates(values: readonly string[]): readonly Candidate[] {
  return values.map((value) => ({ value, description: '' }));
}

function startingWith<T extends Completion>(typed: string, completion: T, prefix = ''): T | readonly Candidate[] {
  if (typeof completion === 'string') return completion;
  return completion
    .filter(({ value }) => value.startsWith(typed))
    .map(({ value, description }) => ({ value: `${prefix}${value}`, description }));
}
