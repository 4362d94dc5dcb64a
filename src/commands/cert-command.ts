import { Command, Option } from 'commander';
import { AutosignError } from '../domain/errors.ts';
import type { IssueOptions } from './cert.ts';
import type { PublicKeyOptions } from './cert-public-key.ts';
import { jsonOption, rulesOption } from './command-options.ts';

const daysDefault = 365;
const daysMax = 3650;

const issueHelp = `
Then put the three lines that it prints under the key in the rules file, and the certificate into the trust store of
every verifier (notation: truststore/x509/ca/<name>/).

Examples:
  $ autosign cert issue release --rules rules.yaml --country CN --state Zhejiang --organization "Example Ltd"

Exit codes:
  0 ok  1 failed  2 usage, settings or rules  8 KMS or STS unreachable`;

const publicKeyHelp = `
Then put the two lines that it prints under the key in the rules file, and give the file to every verifier
(cosign verify --key certs/release.pub.pem).

Examples:
  $ autosign cert public-key release --rules rules.yaml

Exit codes:
  0 ok  1 failed  2 usage, settings or rules  8 KMS or STS unreachable`;

/** `autosign cert`: the certificate that verifiers of Notary Project signatures trust. */
export function certCommand(): Command {
  const issue = new Command('issue')
    .summary('make the public key file and the certificate of a key')
    .description(
      'ask the key for its public key and for one signature, and write a self-signed certificate for code signing;\n' +
        'done once a key: every signature carries this certificate, and verifiers trust it. Nothing is overwritten',
    )
    .argument('<key>', 'the name of a key in the rules file')
    .addOption(rulesOption())
    .requiredOption('--country <code>', 'C of the subject, two letters')
    .requiredOption('--state <name>', 'ST of the subject')
    .requiredOption('--organization <name>', 'O of the subject')
    .option('--common-name <name>', 'CN of the subject (default: the name of the key)')
    .addOption(
      new Option('--days <days>', `how long it is valid, at most ${daysMax}`).argParser(daysOf).default(daysDefault),
    )
    .option(
      '--out <folder>',
      'where to write when the rules file names no files yet (default: certs, beside the rules file)',
    )
    .addOption(jsonOption())
    .addHelpText('after', issueHelp)
    .action(async (key: string, options: IssueOptions) => (await import('./cert.ts')).issueCertificate(key, options));
  return new Command('cert')
    .description('make the certificates of keys')
    .addCommand(issue)
    .addCommand(publicKeyCommand());
}

function publicKeyCommand(): Command {
  return new Command('public-key')
    .summary('make the public key file of a key')
    .description(
      'ask the key for its public key and write it to a file, for verifiers and for the rules file. Enough for rules of\n' +
        'the format cosign, whose signatures carry no certificate. Signs nothing and overwrites nothing',
    )
    .argument('<key>', 'the name of a key in the rules file')
    .addOption(rulesOption())
    .option(
      '--out <folder>',
      'where to write when the rules file names no file yet (default: certs, beside the rules file)',
    )
    .addOption(jsonOption())
    .addHelpText('after', publicKeyHelp)
    .action(async (key: string, options: PublicKeyOptions) =>
      (await import('./cert-public-key.ts')).writePublicKeyOf(key, options),
    );
}

function daysOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= daysMax) return value;
  throw new AutosignError('usage', `--days "${text}": a whole number from 1 to ${daysMax} is expected.`);
}
