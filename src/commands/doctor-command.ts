import { Command, Option } from 'commander';
import { AutosignError } from '../domain/errors.ts';
import { durationMs, durationPattern } from '../rules/duration.ts';
import { jsonOption, rulesOption } from './command-options.ts';
import type { DoctorOptions } from './doctor.ts';

const help = `
Looks at every link from the push to the signature and changes nothing: this machine's clock, its identity at
Alibaba Cloud, each role, key and certificate, Redis, each registry (login, the right to push, the referrers API; of
an ACR instance also immutable tags, lifecycle and sync rules), and whether events find their way to the receiver.
Run it where "autosign work" runs, with its environment. The right to push is looked at by an upload that is opened
and cancelled, the right to sign by KMS's DryRun.

Beside the worker's rights an ACR instance wants cr:GetInstance, cr:ListArtifactLifecycleRule and cr:ListSyncRule
("autosign ram print --role read-only").

--live finds out on your account what no documentation says: it pushes an image that holds nothing to the repository
named, one under a tag of its own and one without, waits for the webhook and the event of EventBridge, signs the first
one twice with the key of a rule for this registry, lists, and deletes all of it, also after Ctrl-C. Values are shown by
their form, so that the report, which names the repository, holds no secret. "autosign serve" with the same Redis must
run to see deliveries; take a repository whose pushes start nothing. The signatures are noted in the audit file of
AUTOSIGN_STATE_DIR. What could not be deleted is named; blobs are left to the registry.

It wants the rights to pull, push and delete there: cr:PullRepository, cr:PushRepository, and cr:DeleteRepositoryTag
(that this lets a registry's manifests be deleted is inferred); with --triggers cr:CreateWebHook and cr:DeleteWebHook.

Examples:
  $ autosign doctor --rules rules.yaml
  $ autosign doctor --rules rules.yaml --live prod/sandbox/scratch --wait 90s
  $ autosign doctor --rules rules.yaml --live prod/sandbox/scratch --triggers --json > report.json
  $ autosign doctor --rules rules.yaml --json | jq '.findings[] | select(.result != "ok")'

Exit codes:
  0 nothing has failed; there may be warnings  1 something has failed  2 usage, settings or rules
  with --live also 130 stopped by a signal, and cleaned up; what was not seen is no failure`;

/** `autosign doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('look for what is wrong on the way from a push to its signature')
    .addOption(rulesOption())
    .option('--live <image>', 'push, sign and delete a scratch image: REGISTRY/NAMESPACE/REPOSITORY')
    .addOption(
      new Option('--wait <duration>', 'with --live: how long to wait for deliveries, 60s unless given').argParser(
        parseWait,
      ),
    )
    .option('--triggers', 'with --live: make and delete triggers to see which types there are')
    .addOption(jsonOption())
    .addHelpText('after', help)
    .action(async (options: DoctorOptions) => (await import('./doctor.ts')).runDoctor(options));
}

/** Twice as long, and the work between, fits into the ten minutes for which receivers keep deliveries. */
const waitMsMax = 180_000;

function parseWait(text: string): number {
  if (durationPattern.test(text) && durationMs(text) <= waitMsMax) return durationMs(text);
  throw new AutosignError('usage', `--wait "${text}": a duration up to 3m is expected, written like 60s.`);
}
