import { Command } from 'commander';
import { jsonOption, rulesOption } from './command-options.ts';
import type { ExplainOptions, OutputOptions } from './rules.ts';

const checkHelp = `
Examples:
  $ autosign rules check rules/example.yaml
  $ autosign rules check --json rules.yaml | jq '.problems[].line'

Exit codes:
  0 the file is valid  2 it is not, or wrong usage`;

const explainHelp = `
Examples:
  $ autosign rules explain --rules rules.yaml registry.example.com/prod/app:v1
  $ AUTOSIGN_RULES=rules.yaml autosign rules explain --json registry.example.com/prod/app:v1

Exit codes:
  0 a rule wants the image  2 usage or rules  5 no rule wants it  6 the digest in the reference is on the deny list`;

const schemaHelp = `
Examples:
  $ autosign rules schema > rules.schema.json
and as the first line of the rules file, for editors:
  # yaml-language-server: $schema=./rules.schema.json

Exit codes:
  0 ok  2 usage`;

/** `autosign rules`: check a rules file, explain what it says of an image, print its JSON schema. */
export function rulesCommand(): Command {
  const command = new Command('rules').description('check and explain rules files');
  command
    .command('check')
    .description('list every problem of a rules file and what it includes, or sum it up and list overlapping rules')
    .argument('<file>', 'the rules file')
    .addOption(jsonOption())
    .addHelpText('after', checkHelp)
    .action(async (file: string, options: OutputOptions) => (await import('./rules.ts')).checkRulesFile(file, options));
  command
    .command('explain')
    .description('tell which rules want an image signed, and why the others do not')
    .argument('<ref>', 'host/repository:tag; the host may be any host name of a registry')
    .addOption(rulesOption())
    .addOption(jsonOption())
    .addHelpText('after', explainHelp)
    .action(async (reference: string, options: ExplainOptions) =>
      (await import('./rules.ts')).explainImage(reference, options),
    );
  command
    .command('schema')
    .description('print the JSON schema of the rules file')
    .option('--json', 'print JSON (it always does)')
    .addHelpText('after', schemaHelp)
    .action(async () => (await import('./rules.ts')).printRulesSchema());
  return command;
}
