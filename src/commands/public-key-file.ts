import { createPublicKey } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { alibabaCodeOf } from '../alibaba/call-openapi.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { keySpecOf, publicKeySha256 } from '../keys/key-spec.ts';
import type { Key, RuleSet } from '../rules/rule-set.ts';

/** @throws AutosignError `usage` with the names of the keys that are there */
export function keyNamed(name: string, { keys }: Pick<RuleSet, 'keys'>, file: string): Key {
  const key = keys.get(name);
  if (key !== undefined) return key;
  throw new AutosignError('usage', `${file} has no key "${name}"; it has ${[...keys.keys()].join(', ') || 'none'}.`);
}

interface PublicKeySource {
  getPublicKey(): Promise<string>;
  listVersions?(): Promise<readonly string[]>;
}

/**
 * Asks the key for its public key, which must be what the rules file says of it.
 * @returns PEM (SPKI), and lower-case hex SHA-256 of the SPKI in DER
 * @throws AutosignError `key-unusable`, and what the key's source throws
 */
export async function askPublicKey(key: Key, source: PublicKeySource) {
  const publicKeyPem = await source.getPublicKey().catch((error: unknown) => refuseWithVersions(error, source));
  const found = { publicKeyPem, publicKeySha256: publicKeySha256(createPublicKey(publicKeyPem)) };
  checkFits(key, found);
  return found;
}

/** Whoever pins a version for the first time does not know yet which there are. */
async function refuseWithVersions(error: unknown, source: PublicKeySource): Promise<never> {
  if (!isAutosignError(error) || alibabaCodeOf(error) !== 'Forbidden.KeyVersionNotFound') throw error;
  // Without the right to list them the first error says enough.
  const versions = (await source.listVersions?.().catch(() => [])) ?? [];
  if (versions.length === 0) throw error;
  throw new AutosignError(error.code, `${error.message} It has: ${versions.join(', ')}.`, { cause: error });
}

function checkFits(key: Key, found: { readonly publicKeyPem: string; readonly publicKeySha256: string }): void {
  const differs = (field: string, written: string, has: string) =>
    new AutosignError(
      'key-unusable',
      `${key.origin.file}:${key.origin.line}: key ${key.name}: ${field} is ${written}, the key has ${has}. ` +
        'Is it the right key and version?',
    );
  const spec = keySpecOf(createPublicKey(found.publicKeyPem)) ?? 'one that is not supported';
  if (key.spec !== spec) throw differs('spec', key.spec, spec);
  const pinned = key.publicKeySha256;
  if (pinned !== undefined && pinned !== found.publicKeySha256) {
    throw differs('publicKeySha256', pinned, found.publicKeySha256);
  }
}

/**
 * A public key file that is there and says the same stays; another one is never replaced.
 * @throws AutosignError `key-unusable`, `usage`
 */
export async function writePublicKey(file: string, pem: string): Promise<void> {
  const there = await readFile(file, 'utf8').catch(() => undefined);
  if (there === undefined) return writeNew(file, pem);
  if (createPublicKey(there).equals(createPublicKey(pem))) return;
  throw new AutosignError(
    'key-unusable',
    `${file} holds another public key than the key itself; it is not overwritten.`,
  );
}

/** @throws AutosignError `usage` for what is there already or cannot be written */
export async function writeNew(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx', mode: 0o644 });
  } catch (cause) {
    throw new AutosignError('usage', `${file} cannot be written. Check the folder and who may write there.`, { cause });
  }
}
