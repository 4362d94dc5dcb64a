import { below, type Entry, problemAt } from './entry.ts';
import type { Problem } from './problem.ts';
import type { KeyEntry } from './rules-file-schema.ts';

/** Where a key is: in one place, and reached in one way. */
export function checkKeySource(key: Entry<KeyEntry>): readonly Problem[] {
  const sources = (['kms', 'kmsInstance', 'local'] as const).filter((source) => key.value[source] !== undefined);
  if (sources.length === 1) return checkClientKey(key);
  const found = sources.length === 0 ? 'none of kms, kmsInstance and local' : sources.join(' and ');
  return [problemAt(key, `key "${key.value.name}" has ${found}; write exactly one of them`)];
}

/** A ClientKey is its file, or its id and its private key; what would be ignored is refused. */
function checkClientKey(key: Entry<KeyEntry>): readonly Problem[] {
  const { clientKeyFile, clientKeyId, privateKeyFile, passwordEnv } = key.value.kmsInstance ?? {};
  const refused = (field: string, message: string) => [problemAt(below(key, 'kmsInstance', field), message)];
  if (clientKeyFile !== undefined) {
    return (['clientKeyId', 'privateKeyFile'] as const)
      .filter((field) => key.value.kmsInstance?.[field] !== undefined)
      .flatMap((field) => refused(field, 'stands beside clientKeyFile, which holds id and private key; keep one'));
  }
  if (clientKeyId !== undefined && privateKeyFile === undefined) {
    return refused('clientKeyId', 'lacks its private key; add privateKeyFile, or take clientKeyFile for both');
  }
  if (privateKeyFile === undefined) return [];
  if (clientKeyId === undefined) return refused('privateKeyFile', 'lacks the id of its ClientKey; add clientKeyId');
  if (passwordEnv === undefined) return [];
  return refused('passwordEnv', 'is for clientKeyFile: privateKeyFile is not encrypted; leave it out');
}
