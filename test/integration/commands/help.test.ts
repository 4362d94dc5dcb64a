import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../../../src/commands/program.ts';
import { runRecorded } from './loaded-modules.ts';

const exampleRules = join(import.meta.dirname, '../../../rules/example.yaml');
const program = await buildProgram(() => true);

function commandsOf(command: Command, above: readonly string[] = []): readonly (readonly [string, Command])[] {
  const shown = command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help');
  return shown.flatMap((each) => {
    const path = [...above, each.name()];
    return [[path.join(' '), each] as const, ...commandsOf(each, path)];
  });
}

const all = commandsOf(program);
const leaves = all.filter(([, command]) => command.commands.length === 0);

// A command line that has to think before it says what it can do is not asked twice. Milliseconds depend on the
// machine; what is loaded does not.
describe.concurrent('help loads no library but the one that prints it', () => {
  test('and of the commands only their names', async (context) => {
    const { code, packages, sources } = await runRecorded(['--help'], context);
    expect(code).toBe(0);
    expect(packages).toEqual(['commander']);
    expect(sources.length).toBeLessThan(8);
  });

  test.for(leaves.map(([path]) => path))('autosign %s --help', async (path, context) => {
    const { code, output, packages, sources } = await runRecorded([...path.split(' '), '--help'], context);
    expect(code).toBe(0);
    expect(output).toContain(`Usage: autosign ${path} `);
    expect(packages).toEqual(['commander']);
    expect(sources.length).toBeLessThan(12);
  });

  test('nor does an answer to a completion script, unless it reads names from the rules file', async (context) => {
    const { code, output, packages } = await runRecorded(
      ['complete', '--', 'dead', 'list', '--code', 'kms-t'],
      context,
    );
    expect({ code, output: output.trim() }).toEqual({ code: 0, output: 'kms-throttled' });
    expect(packages).toEqual(['commander']);
    const names = await runRecorded(
      ['complete', '--', 'reconcile', '--rules', exampleRules, '--registry', 'p'],
      context,
    );
    expect(names.output.trim()).toBe('prod');
    expect(names.packages).toEqual(['commander', 'yaml']);
  });
});

describe('help', () => {
  test.for(leaves)('of "%s" has examples, the exit codes, and a description of every option', ([path, command]) => {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    expect(help).toMatch(new RegExp(`\\nExamples:\\n(.*\\n)*.*autosign ${path}`));
    expect(help).toMatch(/\nExit codes:\n {2}0 /);
    expect(help.split('\n').filter((line) => line.length > 120)).toEqual([]);
    for (const { flags, description } of command.options) expect(description, flags).not.toBe('');
    for (const argument of command.registeredArguments) expect(argument.description, argument.name()).not.toBe('');
  });

  test.for(all)('of "%s" describes it in the way of the others', ([, command]) => {
    expect(command.description()).toMatch(/^[a-z].*[^.]$/s);
  });

  test('says which exit code means what, and names every command but those that are not for people', () => {
    let help = '';
    program.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    expect(help).toMatch(/0 ok {2}1 failed .* 8 unreachable/);
    for (const command of program.commands) {
      const line = new RegExp(`^  ${command.name()} .*[a-z]`, 'm');
      if (command.name() === 'complete') expect(help).not.toMatch(line);
      else expect(help).toMatch(line);
    }
  });
});
