import { Command, Option } from 'commander';
import type { AttestorsImportOptions } from './attestors-import.ts';
import type { AttestorsPlanOptions } from './attestors-plan.ts';
import { jsonOption, rulesOption } from './command-options.ts';

const never = `
Neither command creates, changes or enables anything in Security Center. A binary security policy makes
kritis-validation-hook refuse every image that lacks an attestation of ACR's own signing, which is kept in a private
store without a public API: the hook cannot see what autosign signs, so such a policy would stop the cluster.
To verify signatures of autosign in a cluster, use what reads Notary Project or cosign signatures.`;

const importHelp = `${never}

The identity is the one of Alibaba's default chain (environment, OIDC, profiles, RAM role of the instance). It needs
the RAM actions yundun-sas:DescribeAttestors, yundun-sas:DescribeBinarySecurityPolicies and
yundun-sas:DescribeContainerServiceK8sClusterKritisStatus. The file is for people: nothing of autosign reads it.

Examples:
  $ autosign attestors import --out attestors.yaml
  $ autosign attestors import --out attestors.yaml --region ap-southeast-1 --force

Exit codes:
  0 written  1 failed, or a permission is missing  2 usage, or the file is there  8 Security Center unreachable`;

const planHelp = `${never}

Reads the rules file and asks nobody. Prints the attestor that each key would be, what ACR's own signing rules would
look like for each rule, and what they cannot express.

Examples:
  $ autosign attestors plan --rules rules.yaml
  $ autosign attestors plan --rules rules.yaml --json | jq '.attestors[]'

Exit codes:
  0 printed  2 usage or rules`;

/** `autosign attestors` */
export function attestorsCommand(): Command {
  const importing = new Command('import')
    .summary("write Security Center's attestors and policies to a file")
    .description(
      'write the attestors (witnesses) and binary security policies that exist in Security Center to a YAML file; reads only',
    )
    .requiredOption('--out <file>', 'the file to write')
    .addOption(
      new Option('--region <region>', "Security Center's centre: cn-shanghai for China, ap-southeast-1 for elsewhere")
        .choices(['cn-shanghai', 'ap-southeast-1'])
        .default('cn-shanghai'),
    )
    .option('--endpoint <host>', 'host[:port] instead of the one of the region')
    .option('--force', 'replace the file when it is there')
    .addOption(jsonOption())
    .addHelpText('after', importHelp)
    .action(async (options: AttestorsImportOptions) =>
      (await import('./attestors-import.ts')).importAttestors(options),
    );
  const planning = new Command('plan')
    .summary("print what ACR's own signing would need")
    .description("print the attestors, ACR's own signing rules and the policy that would stand for these rules")
    .addOption(rulesOption())
    .addOption(jsonOption())
    .addHelpText('after', planHelp)
    .action(async (options: AttestorsPlanOptions) => (await import('./attestors-plan.ts')).planAttestors(options));
  return new Command('attestors')
    .description("look at Security Center's attestors and policies; never changes them")
    .addCommand(importing)
    .addCommand(planning);
}
