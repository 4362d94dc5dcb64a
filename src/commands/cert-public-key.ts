import { dirname, join, relative, resolve } from 'node:path';
import { loadRuleSet } from '../rules/load-rule-set.ts';
import { createKeyOpener } from './open-keys.ts';
import { askPublicKey, keyNamed, writePublicKey } from './public-key-file.ts';

export interface PublicKeyOptions {
  readonly rules: string;
  readonly out?: string;
  readonly json?: true;
}

/** Asks a key for its public key, writes it, and prints the lines for the rules file. */
export async function writePublicKeyOf(name: string, options: PublicKeyOptions): Promise<void> {
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
