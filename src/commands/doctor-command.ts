import { Command } from 'commander';
import { jsonOption, rulesOption } from './command-options.ts';
import type { DoctorOptions } from './doctor.ts';

const help = `
Looks at every link from the push to the signature and changes nothing: this machine's clock, its identity at Alibaba Cloud,
each role, key and certificate, Redis, each registry (login, the right to push, the referrers API; of an ACR instance also
immutable tags, lifecycle and sync rules), and whether events find their way to the receiver. Run it where "autosign work"
runs, with its environment. The right to push is looked at by an upload that is opened and cancelled, the right to sign by
KMS's DryRun.

Beside the worker's rights an ACR instance wants cr:GetInstance, cr:ListArtifactLifecycleRule and cr:ListSyncRule
("autosign ram print --role read-only").

Examples:
  $ autosign doctor --rules rules.yaml
  $ autosign doctor --rules rules.yaml --json | jq '.findings[] | select(.result != "ok")'

Exit codes:
  0 nothing has failed; there may be warnings  1 something has failed  2 usage, settings or rules`;

/** `autosign doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('look for what is wrong on the way from a push to its signature')
    .addOption(rulesOption())
    .addOption(jsonOption())
    .addHelpText('after', help)
    .action(async (options: DoctorOptions) => (await import('./doctor.ts')).runDoctor(options));
}
