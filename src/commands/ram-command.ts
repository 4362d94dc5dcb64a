import { Command, Option } from 'commander';
import { ramRoles } from '../alibaba/ram/ram-roles.ts';
import { jsonOption, rulesOption } from './command-options.ts';
import type { RamPrintOptions } from './ram.ts';

const printHelp = `
For each part of the service the identity that runs it and the roles that it assumes, with the policy of each and
the trust policy of each role: exact keys and instances, and the namespaces that the rules include. Notes tell what
is wider than it must be. Nothing is asked and nothing is changed.

  receiver   autosign serve: needs nothing
  worker     autosign work, up, backfill, reconcile, cert
  triggers   autosign triggers sync
  read-only  autosign verify, status, triggers sync --dry-run, and what doctor asks an instance

An externalId stands in the output as <externalId>: put yours there.

Examples:
  $ autosign ram print --rules rules.yaml --role worker --identity acs:ram::1234567890123456:user/autosign-worker
  $ autosign ram print --rules rules.yaml --json | jq '.parts[] | select(.role == "worker").identities[0].policy'

Exit codes:
  0 ok  2 usage or rules`;

/** `autosign ram`: what has to be granted at Alibaba Cloud. */
export function ramCommand(): Command {
  const command = new Command('ram').description('what has to be granted in Resource Access Management');
  command
    .command('print')
    .description('print the policies and trust policies that these rules need, and nothing beside them')
    .addOption(rulesOption())
    .addOption(new Option('--role <role>', 'one part of the service alone').choices(ramRoles))
    .addOption(
      new Option('--identity <arn>', 'the RAM user or role that runs the part, for trust policies').default(
        undefined,
        'a placeholder',
      ),
    )
    .addOption(jsonOption())
    .addHelpText('after', printHelp)
    .action(async (options: RamPrintOptions) => (await import('./ram.ts')).printRam(options));
  return command;
}
