import { type Format, hasCertificate } from '../domain/algorithm.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Key } from '../rules/rule-set.ts';
import { type KeyTrust, readTrustedKey, readTrustedVersion, type TrustedVersion } from '../verification/trust.ts';

/** Reads a text file. */
export type ReadTextFile = (file: string) => Promise<string>;

/**
 * Whose signatures of this format count for a key of the rules file: its pinned public key, for notation with its
 * certificate, then the earlier versions under `trusted`. Opens no private key and asks nobody.
 * @throws AutosignError `key-unusable`, `certificate-invalid`
 */
export async function loadTrust(key: Key, format: Format, readTextFile: ReadTextFile): Promise<KeyTrust> {
  const { publicKeyFile, publicKeySha256 } = key;
  const certificateChain = hasCertificate(format) ? key.certificateChain : undefined;
  const lacksCertificate = hasCertificate(format) && certificateChain === undefined;
  if (publicKeyFile === undefined || publicKeySha256 === undefined || lacksCertificate) throw incomplete(key, format);
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
    const chain = hasCertificate(format) ? version.certificateChain : undefined;
    // Notation's signatures are held against certificates; a version without one serves other formats.
    if (hasCertificate(format) && chain === undefined) continue;
    earlier.push(await readVersion(key, { ...version, certificateChain: chain }, readTextFile));
  }
  return { keyName: key.name, versions: [current, ...earlier] };
}

function incomplete({ name }: Key, format: Format): AutosignError {
  return new AutosignError(
    'key-unusable',
    hasCertificate(format)
      ? `publicKeyFile, publicKeySha256 and certificateChain are not all set; run "autosign cert issue ${name}".`
      : `publicKeyFile and publicKeySha256 are not both set; run "autosign cert public-key ${name}".`,
  );
}

interface VersionFiles {
  readonly publicKeyFile: string;
  /** Undefined for formats without certificates. */
  readonly certificateChain: string | undefined;
  readonly keyVersionId: string | undefined;
}

async function readVersion({ spec }: Key, files: VersionFiles, readTextFile: ReadTextFile): Promise<TrustedVersion> {
  const publicKeyPem = await readOr(readTextFile, files.publicKeyFile);
  const { publicKeyFile, certificateChain, keyVersionId } = files;
  const chainPem = certificateChain === undefined ? undefined : await readOr(readTextFile, certificateChain);
  try {
    const version = { publicKeyPem, spec, keyVersionId };
    return chainPem === undefined ? readTrustedKey(version) : readTrustedVersion({ ...version, chainPem });
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    const file = error.code === 'key-unusable' ? publicKeyFile : certificateChain;
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
