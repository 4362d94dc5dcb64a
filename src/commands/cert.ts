import { readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { issueSelfSignedCertificate } from '../certificates/issue-certificate.ts';
import { AutosignError } from '../domain/errors.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { Key } from '../rules/rule-set.ts';
import { createKeyOpener } from './open-keys.ts';
import { askPublicKey, keyNamed, writeNew, writePublicKey } from './public-key-file.ts';

export interface IssueOptions {
  readonly rules: string;
  readonly country: string;
  readonly state: string;
  readonly organization: string;
  readonly commonName?: string;
  readonly days: number;
  readonly out?: string;
  readonly json?: true;
}

const dayMs = 24 * 3600 * 1000;

/** Has a key sign its own certificate, writes it, and prints the lines for the rules file. */
export async function issueCertificate(name: string, options: IssueOptions): Promise<void> {
  const rulesFile = resolve(options.rules);
  const key = keyNamed(name, await loadRuleSet(rulesFile), rulesFile);
  refuseSpec(key);
  const subject = subjectOf(name, options);
  const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000);
  const notAfter = new Date(notBefore.getTime() + options.days * dayMs);
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

async function refuseExisting(file: string): Promise<void> {
  const there = await readFile(file).catch(() => undefined);
  if (there !== undefined) {
    throw new AutosignError(
      'usage',
      `${file} is there already and signatures may depend on it; it is not overwritten. Name a new file in certificateChain.`,
    );
  }
}
