import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { issueSelfSignedCertificate } from '../certificates/issue-certificate.ts';
import { AutosignError } from '../domain/errors.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { Key } from '../rules/rule-set.ts';
import { publicKeyCommand } from './cert-public-key.ts';
import { createKeyOpener } from './open-keys.ts';
import { askPublicKey, keyNamed, writeNew, writePublicKey } from './public-key-file.ts';

interface IssueOptions {
  readonly rules: string;
  readonly country: string;
  readonly state: string;
  readonly organization: string;
  readonly commonName?: string;
  readonly days: string;
  readonly out?: string;
  readonly json?: true;
}

const daysMax = 3650;
const dayMs = 24 * 3600 * 1000;

/** `autosign cert`: the certificate that verifiers of Notary Project signatures trust. */
export function certCommand(): Command {
  const issue = new Command('issue')
    .summary('make the public key file and the certificate of a key')
    .description(
      'Asks the key for its public key and for one signature, and writes a self-signed certificate for code signing.\n' +
        'Done once a key: every signature carries this certificate, and verifiers trust it. Nothing is overwritten.',
    )
    .argument('<key>', 'the name of a key in the rules file')
    .addOption(new Option('--rules <file>', 'the rules file').env('AUTOSIGN_RULES').makeOptionMandatory())
    .requiredOption('--country <code>', 'C of the subject, two letters')
    .requiredOption('--state <name>', 'ST of the subject')
    .requiredOption('--organization <name>', 'O of the subject')
    .option('--common-name <name>', 'CN of the subject (default: the name of the key)')
    .option('--days <days>', `how long it is valid, at most ${daysMax}`, '365')
    .option(
      '--out <folder>',
      'where to write when the rules file names no files yet (default: certs, beside the rules file)',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Example:
  autosign cert issue release --rules rules.yaml --country CN --state Zhejiang --organization "Example Ltd"

Then put the three lines that it prints under the key in the rules file, and the certificate into the trust store of
every verifier (notation: truststore/x509/ca/<name>/).

Exit codes:
  0 ok  1 failed  2 usage, settings or rules  8 KMS or STS unreachable`,
    )
    .action(issueCertificate);
  return new Command('cert')
    .description('Makes the certificates of keys.')
    .addCommand(issue)
    .addCommand(publicKeyCommand());
}

async function issueCertificate(name: string, options: IssueOptions): Promise<void> {
  const rulesFile = resolve(options.rules);
  const key = keyNamed(name, await loadRuleSet(rulesFile), rulesFile);
  refuseSpec(key);
  const subject = subjectOf(name, options);
  const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000);
  const notAfter = new Date(notBefore.getTime() + daysOf(options) * dayMs);
  const folder = options.out === undefined ? join(dirname(rulesFile), 'certs') : resolve(options.out);
  const publicKeyFile = key.publicKeyFile ?? join(folder, `${name}.pub.pem`);
  const chainFile = key.certificateChain ?? join(folder, `${name}-${notBefore.getUTCFullYear()}.pem`);
  await refuseExisting(chainFile);

  const signer = await createKeyOpener().open(key);
  const { publicKeyPem, publicKeySha256 } = await askPublicKey(key, signer);
  const certificate = await issueSelfSignedCertificate({
    signer,
    algorithm: key.spec === 'EC_P256' ? 'ECDSA_SHA_256' : 'RSA_PSS_SHA_256',
    publicKeyPem,
    subject,
    notBefore,
    notAfter,
  });
  await writePublicKey(publicKeyFile, publicKeyPem);
  await writeNew(chainFile, certificate);

  const beside = (file: string) => relative(dirname(rulesFile), file);
  const fields = { publicKeyFile: beside(publicKeyFile), publicKeySha256, certificateChain: beside(chainFile) };
  const text = options.json
    ? JSON.stringify({ key: name, ...fields, notAfter: notAfter.toISOString() })
    : `Certificate of key ${name}, valid until ${notAfter.toISOString()}. In ${options.rules}, under this key:\n\n` +
      Object.entries(fields)
        .map(([field, value]) => `    ${field}: ${JSON.stringify(value)}\n`)
        .join('');
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Notary Project signature-specification.md, "Algorithm Selection": RSA of 3072 bits goes with SHA-384 alone. */
function refuseSpec({ name, spec, origin }: Key): void {
  if (spec !== 'RSA_3072') return;
  throw new AutosignError(
    'usage',
    `${origin.file}:${origin.line}: key ${name}: with a key of spec RSA_3072 the Notary Project specification demands ` +
      'SHA-384, and KMS signs SHA-256 only. Take a key of spec RSA_2048 or EC_P256. For the format cosign, which needs ' +
      `no certificate: "autosign cert public-key ${name}".`,
  );
}

/** C, ST and O are what a trust policy that names an identity has to name (Notary Project, "Trusted Identities Constraints"). */
function subjectOf(name: string, { country, state, organization, commonName }: IssueOptions) {
  if (!/^[A-Z]{2}$/.test(country)) {
    throw new AutosignError('usage', `--country "${country}": two capital letters are expected, such as CN.`);
  }
  const empty = Object.entries({ state, organization }).find(([, value]) => value.trim() === '');
  if (empty !== undefined) throw new AutosignError('usage', `--${empty[0]} is empty.`);
  return { country, stateOrProvince: state, organization, commonName: commonName ?? name };
}

function daysOf({ days }: IssueOptions): number {
  const value = Number(days);
  if (Number.isInteger(value) && value >= 1 && value <= daysMax) return value;
  throw new AutosignError('usage', `--days "${days}": a whole number from 1 to ${daysMax} is expected.`);
}

async function refuseExisting(file: string): Promise<void> {
  const there = await readFile(file).catch(() => undefined);
  if (there !== undefined) {
    throw new AutosignError(
      'usage',
      `${file} is there already and signatures may depend on it; it is not overwritten. Name a new file in certificateChain.`,
    );
  }
}
