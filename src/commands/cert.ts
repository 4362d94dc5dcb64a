import { createPublicKey } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { issueSelfSignedCertificate } from '../certificates/issue-certificate.ts';
import { sha256Hex } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { keySpecOf } from '../keys/key-spec.ts';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import type { Key } from '../rules/rule-set.ts';
import { createKeyOpener } from './open-keys.ts';

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
  const publicKeyPem = await signer.getPublicKey();
  const publicKeySha256 = sha256Hex(createPublicKey(publicKeyPem).export({ type: 'spki', format: 'der' }));
  checkFits(key, publicKeyPem, publicKeySha256);
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

function keyNamed(name: string, { keys }: { readonly keys: ReadonlyMap<string, Key> }, file: string): Key {
  const key = keys.get(name);
  if (key !== undefined) return key;
  throw new AutosignError('usage', `${file} has no key "${name}"; it has ${[...keys.keys()].join(', ') || 'none'}.`);
}

/** Notary Project signature-specification.md, "Algorithm Selection": RSA of 3072 bits goes with SHA-384 alone. */
function refuseSpec({ name, spec, origin }: Key): void {
  if (spec !== 'RSA_3072') return;
  throw new AutosignError(
    'usage',
    `${origin.file}:${origin.line}: key ${name}: with a key of spec RSA_3072 the Notary Project specification demands ` +
      'SHA-384, and KMS signs SHA-256 only. Take a key of spec RSA_2048 or EC_P256.',
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

/** The key must be what the rules file says of it. */
function checkFits(key: Key, publicKeyPem: string, publicKeySha256: string): void {
  const differs = (field: string, written: string, found: string) =>
    new AutosignError(
      'key-unusable',
      `${key.origin.file}:${key.origin.line}: key ${key.name}: ${field} is ${written}, the key has ${found}. ` +
        'Is it the right key and version?',
    );
  const spec = keySpecOf(createPublicKey(publicKeyPem)) ?? 'one that is not supported';
  if (key.spec !== spec) throw differs('spec', key.spec, spec);
  const pinned = key.publicKeySha256;
  if (pinned !== undefined && pinned !== publicKeySha256) throw differs('publicKeySha256', pinned, publicKeySha256);
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

/** A public key file that is there and says the same stays; another one is never replaced. */
async function writePublicKey(file: string, pem: string): Promise<void> {
  const there = await readFile(file, 'utf8').catch(() => undefined);
  if (there === undefined) return writeNew(file, pem);
  if (createPublicKey(there).equals(createPublicKey(pem))) return;
  throw new AutosignError(
    'key-unusable',
    `${file} holds another public key than the key itself; it is not overwritten.`,
  );
}

async function writeNew(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx', mode: 0o644 });
  } catch (cause) {
    throw new AutosignError('usage', `${file} cannot be written. Check the folder and who may write there.`, { cause });
  }
}
