import { Command } from 'commander';
import { jsonOption, rulesOption } from './command-options.ts';
import type { StatusOptions } from './status.ts';

const help = `
Asks the registry, and Redis when AUTOSIGN_REDIS_URL is set, with the public keys and certificates of the rules file: no
key is opened, KMS is not asked, nothing is changed. For each rule that covers the image and each of its formats:

  valid     it is there: the signature's digest, and when its certificate ends
  pending   it will be made: what it waits for (a worker, a job that sleeps, the key, the rule, the next reconcile)
  failed    its job is a dead letter: the cause
  existing  the image stood before its rule, which leaves such images unsigned
  audit     its rule only watches
  missing   it is not there, and the queue was not looked at or cannot know
  unknown   what would tell could not be looked at

Rules match tags. host/repository:tag@sha256:… looks at that digest, wherever the tag points. By a digest alone, only
rules of mode minimal can be asked for, and the queue cannot.

Examples:
  $ autosign status registry.example.com/prod/app:v1 --rules rules.yaml
  $ autosign status registry.example.com/prod/app:v1 --json | jq -r '.signatures[] | .status + " " + .nextStep'
  $ until autosign status registry.example.com/prod/app:v1; do sleep 1; done

Exit codes:
  0 every signature is valid  1 failed, or the image is not there  2 usage, settings or rules
  4 not signed (yet)  5 no rule wants it  6 denied  8 registry or Redis unreachable`;

/** `autosign status` */
export function statusCommand(): Command {
  return new Command('status')
    .description('tell where an image stands: what is signed, what waits for what, what failed, and what to do')
    .argument('<reference>', 'host/repository:tag, with or without @sha256:…; or host/repository@sha256:…')
    .addOption(rulesOption())
    .addOption(jsonOption())
    .addHelpText('after', help)
    .action(async (reference: string, options: StatusOptions) =>
      (await import('./status.ts')).runStatus(reference, options),
    );
}
