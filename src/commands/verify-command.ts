import { Command } from 'commander';
import { jsonOption, rulesOption } from './command-options.ts';
import type { VerifyOptions } from './verify.ts';

const help = `
Examples:
  $ autosign verify registry.example.com/prod/app:v1 --rules rules.yaml
  $ autosign verify registry.example.com/prod/app@sha256:… --rules rules.yaml    (checks the rules of mode minimal)

Exit codes:
  0 valid  1 failed (not there, login refused)  2 usage, settings or rules  3 invalid  4 not signed
  5 no rule wants it  6 denied  8 registry unreachable`;

/** `autosign verify` */
export function verifyCommand(): Command {
  return new Command('verify')
    .description(
      'check that an image bears every signature that the rules demand of it, with the public keys and certificates\n' +
        'that the rules file names; opens no private key and asks nobody but the registry',
    )
    .argument(
      '<reference>',
      'host/repository:tag, or host/repository:tag@sha256:…: then that digest is checked, wherever the tag points',
    )
    .addOption(rulesOption())
    .addOption(jsonOption())
    .addHelpText('after', help)
    .action(async (reference: string, options: VerifyOptions) =>
      (await import('./verify.ts')).runVerify(reference, options),
    );
}
