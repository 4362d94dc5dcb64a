import { dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { createKeyOpener } from './open-keys.ts';
import { askPublicKey, keyNamed, writePublicKey } from './public-key-file.ts';

interface PublicKeyOptions {
  readonly rules: string;
  readonly out?: string;
  readonly json?: true;
}

/** `autosign cert public-key` */
export function publicKeyCommand(): Command {
  return new Command('public-key')
    .summary('make the public key file of a key')
    .description(
      'Asks the key for its public key and writes it to a file, for verifiers and for the rules file. Enough for rules of the\n' +
        'format cosign, whose signatures carry no certificate. Signs nothing and overwrites nothing.',
    )
    .argument('<key>', 'the name of a key in the rules file')
    .addOption(new Option('--rules <file>', 'the rules file').env('AUTOSIGN_RULES').makeOptionMandatory())
    .option(
      '--out <folder>',
      'where to write when the rules file names no file yet (default: certs, beside the rules file)',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Example:
  autosign cert public-key release --rules rules.yaml

Then put the two lines that it prints under the key in the rules file, and give the file to every verifier
(cosign verify --key certs/release.pub.pem).

Exit codes:
  0 ok  1 failed  2 usage, settings or rules  8 KMS or STS unreachable`,
    )
    .action(writePublicKeyOf);
}

async function writePublicKeyOf(name: string, options: PublicKeyOptions): Promise<void> {
  const rulesFile = resolve(options.rules);
  const key = keyNamed(name, await loadRuleSet(rulesFile), rulesFile);
  const { publicKeyPem, publicKeySha256 } = await askPublicKey(key, await createKeyOpener().open(key));
  const folder = options.out === undefined ? join(dirname(rulesFile), 'certs') : resolve(options.out);
  const file = key.publicKeyFile ?? join(folder, `${name}.pub.pem`);
  await writePublicKey(file, publicKeyPem);
  const fields = { publicKeyFile: relative(dirname(rulesFile), file), publicKeySha256 };
  const lines = Object.entries(fields).map(([field, value]) => `    ${field}: ${JSON.stringify(value)}\n`);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ key: name, ...fields })}\n`
      : `Public key of key ${name}. In ${options.rules}, under this key:\n\n${lines.join('')}`,
  );
}
