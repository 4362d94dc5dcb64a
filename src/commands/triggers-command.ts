import { Command } from 'commander';
import { jsonOption, rulesOption } from './command-options.ts';
import type { TriggersSyncOptions } from './triggers.ts';

const help = `
Triggers are ACR's webhooks; each belongs to one repository. For each registry with acr, webhook.url and
webhook.tokenEnv or tokenFile in the rules file: every repository that a rule in state sign or audit covers gets one
trigger of ours. It calls <url>/webhooks/acr/<registry>/<token>, for the tags that the rules select (type TAG_REG_EXP)
where that can be said without an exclusion, else for all (type ALL). The token is held against its hash in the rules
file and never printed.

Ours is a trigger whose name begins with "autosign" and that calls /webhooks/acr/<registry>/… at any host with any
token. All others are left alone. So two deployments that look after one instance must name its registry differently.

"autosign work" does the same by itself, every AUTOSIGN_TRIGGERS_INTERVAL; take webhook.url out of its rules before
--remove, or it makes them again. --remove takes ours away in the whole instance and needs no token; a namespace that
the identity may not list is told as failed.

The identity is the one that the registry is used with: Alibaba's default chain, or acr.roleArn. It needs the RAM
actions cr:ListNamespace, cr:ListRepository, cr:ListWebHook, cr:CreateWebHook, cr:UpdateWebHook and cr:DeleteWebHook;
"autosign ram print --role triggers" prints the policy.

Examples:
  $ autosign triggers sync --rules rules.yaml --dry-run
  $ autosign triggers sync --rules rules.yaml --registry prod
  $ autosign triggers sync --rules rules.yaml --json | jq '.registries[].repositories[]'
  $ autosign triggers sync --rules rules.yaml --registry prod --remove

Exit codes:
  0 all are as they should be  1 a repository or a registry failed; the others are done  2 usage, settings or rules`;

/** `autosign triggers` */
export function triggersCommand(): Command {
  const command = new Command('triggers').description("look after the webhook triggers of ACR's repositories");
  command
    .command('sync')
    .description('give every repository that a rule covers its webhook trigger, and set right what differs')
    .addOption(rulesOption())
    .option('--registry <name>', 'this registry only')
    .option('--dry-run', 'only print what would be done')
    .option('--remove', 'take the triggers of ours away')
    .addOption(jsonOption())
    .addHelpText('after', help)
    .action(async (options: TriggersSyncOptions) => (await import('./triggers.ts')).runTriggersSync(options));
  return command;
}
