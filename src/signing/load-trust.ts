import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Key } from '../rules/rule-set.ts';
import { type KeyTrust, readTrustedVersion, type TrustedVersion } from '../verification/trust.ts';

/** Reads a text file. */
export type ReadTextFile = (file: string) => Promise<string>;

/**
 * Whose signatures count for a key of the rules file: its pinned public key with its certificate, then the earlier
 * versions under `trusted`. Opens no private key and asks nobody.
 * @throws AutosignError `key-unusable`, `certificate-invalid`
 */
export async function loadTrust(key: Key, readTextFile: ReadTextFile): Promise<KeyTrust> {
  const { publicKeyFile, publicKeySha256, certificateChain } = key;
  if (publicKeyFile === undefined || publicKeySha256 === undefined || certificateChain === undefined) {
    throw new AutosignError(
      'key-unusable',
      `publicKeyFile, publicKeySha256 and certificateChain are not all set; run "autosign cert issue ${key.name}".`,
    );
  }
  const keyVersionId = key.source.kind === 'kms' ? key.source.keyVersionId : undefined;
  const current = await readVersion(key, { publicKeyFile, certificateChain, keyVersionId }, readTextFile);
  if (current.publicKeySha256 !== publicKeySha256) {
    throw new AutosignError(
      'key-unusable',
      `publicKeySha256 does not fit ${publicKeyFile}, whose SPKI has ${current.publicKeySha256}.`,
    );
  }
  const earlier: TrustedVersion[] = [];
  for (const version of key.trusted) {
    const { certificateChain: chain } = version;
    // Notation's signatures are held against certificates; a version without one serves other formats.
    if (chain !== undefined)
      earlier.push(await readVersion(key, { ...version, certificateChain: chain }, readTextFile));
  }
  return { keyName: key.name, versions: [current, ...earlier] };
}

interface VersionFiles {
  readonly publicKeyFile: string;
  readonly certificateChain: string;
  readonly keyVersionId: string | undefined;
}

async function readVersion({ spec }: Key, files: VersionFiles, readTextFile: ReadTextFile): Promise<TrustedVersion> {
  const publicKeyPem = await readOr(readTextFile, files.publicKeyFile);
  const chainPem = await readOr(readTextFile, files.certificateChain);
  try {
    return readTrustedVersion({ publicKeyPem, chainPem, spec, keyVersionId: files.keyVersionId });
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    const file = error.code === 'key-unusable' ? files.publicKeyFile : files.certificateChain;
    throw new AutosignError(error.code, `${file}: ${error.message}`, { cause: error });
  }
}

async function readOr(readTextFile: ReadTextFile, file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (cause) {
    throw new AutosignError('key-unusable', `${file} cannot be read. Check that it is there and who may read it.`, {
      cause,
    });
  }
}
