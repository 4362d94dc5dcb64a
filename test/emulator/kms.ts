import type { SigningAlgorithm } from '../../src/domain/algorithm.ts';
import { sha256 } from '../../src/domain/digest.ts';
import { canSign } from '../../src/keys/key-spec.ts';
import type { CheckedConfig } from './config.ts';
import { signDigest, verifyDigest } from './digest-signatures.ts';
import { dryRunVerdict } from './dry-run.ts';
import { type Faults, takeFault } from './faults.ts';
import { authorize, type Identity } from './identities.ts';
import { checkState, type KeyVersion, publicKeyPem, type StoredKey } from './kms-keys.ts';
import { invalidParameter, OpenApiError, requireParameter } from './openapi-error.ts';
import type { Product } from './product.ts';

const algorithms: readonly string[] = [
  'RSA_PSS_SHA_256',
  'RSA_PKCS1_SHA_256',
  'ECDSA_SHA_256',
] satisfies SigningAlgorithm[];
const dryRunActions: readonly string[] = ['AsymmetricSign', 'AsymmetricVerify', 'GetPublicKey'];
const digestLength = 32;
const pageSizeMax = 101;

interface KmsContext {
  readonly config: CheckedConfig;
  readonly keys: ReadonlyMap<string, StoredKey>;
  readonly faults: Faults;
}

/** KMS 2016-01-20: the actions on asymmetric keys that a signer uses. */
export function createKms(context: KmsContext): Product {
  const answer = (action: string, query: URLSearchParams, identity: Identity) => {
    switch (action) {
      case 'AsymmetricSign':
        return asymmetricSign(context, query, identity);
      case 'AsymmetricVerify':
        return asymmetricVerify(context, query, identity);
      case 'GetPublicKey': {
        const { ids, version } = usableVersion(context, 'kms:GetPublicKey', query, identity);
        return { ...ids, PublicKey: publicKeyPem(version) };
      }
      case 'DescribeKey':
        return { KeyMetadata: describeKey(context, findKey(context, 'kms:DescribeKey', query, identity)) };
      case 'ListKeyVersions':
        return listKeyVersions(findKey(context, 'kms:ListKeyVersions', query, identity), query);
      case 'ListKeys':
        return listKeys(context, query, identity);
      default:
        throw new OpenApiError(404, 'InvalidAction.NotFound', `Specified api is not found: ${action}`);
    }
  };
  return (action, query, identity) => {
    const isDryRun = dryRunActions.includes(action) && query.get('DryRun') === 'true';
    if (isDryRun) throw dryRunVerdict(() => answer(action, query, identity));
    return answer(action, query, identity);
  };
}

function asymmetricSign(context: KmsContext, query: URLSearchParams, identity: Identity): Record<string, unknown> {
  const { ids, key, version } = usableVersion(context, 'kms:AsymmetricSign', query, identity);
  const algorithm = readAlgorithm(query, key);
  const digest = readDigest(query);
  // The fault is a well-formed signature of the right key over something else: only verifying it tells.
  const signed = takeFault(context.faults, 'wrongSignatureNext') ? sha256(digest) : digest;
  const value = signDigest(version.privateKey, algorithm, signed);
  return { ...ids, Value: Buffer.from(value).toString('base64') };
}

function asymmetricVerify(context: KmsContext, query: URLSearchParams, identity: Identity): Record<string, unknown> {
  const { ids, key, version } = usableVersion(context, 'kms:AsymmetricVerify', query, identity);
  const algorithm = readAlgorithm(query, key);
  const signature = readBase64(query, 'Value');
  return { ...ids, Value: verifyDigest(version.publicKey, algorithm, readDigest(query), signature) };
}

/**
 * The key of the caller's account that the request names by id or alias, once the caller may use it: KMS does not tell a
 * stranger which keys there are.
 */
function findKey({ config, keys }: KmsContext, action: string, query: URLSearchParams, identity: Identity): StoredKey {
  const named = requireParameter(query, 'KeyId');
  const { accountId } = identity;
  const isAlias = named.startsWith('alias/');
  const key = [...keys.values()].find(
    (candidate) =>
      candidate.accountId === accountId &&
      (isAlias ? candidate.config.aliases.includes(named) : candidate.config.keyId === named),
  );
  // A right to use a key is one to its id, whatever name it is called by.
  const resource = key !== undefined || !isAlias ? `key/${key?.config.keyId ?? named}` : named;
  authorize(identity, action, `acs:kms:${config.region}:${accountId}:${resource}`, 'Forbidden.NoPermission');
  if (key !== undefined) return key;
  const what = isAlias ? 'Alias' : 'Key';
  throw new OpenApiError(404, `Forbidden.${what}NotFound`, `The specified ${what} is not found.`);
}

interface UsableVersion {
  readonly key: StoredKey;
  readonly version: KeyVersion;
  readonly ids: { readonly KeyId: string; readonly KeyVersionId: string };
}

function usableVersion(context: KmsContext, action: string, query: URLSearchParams, identity: Identity): UsableVersion {
  const key = findKey(context, action, query, identity);
  const keyVersionId = requireParameter(query, 'KeyVersionId');
  const version = key.versions.get(keyVersionId);
  if (version === undefined) {
    throw new OpenApiError(404, 'Forbidden.KeyVersionNotFound', 'The specified KeyVersion is not found.');
  }
  checkState(key);
  return { key, version, ids: { KeyId: key.config.keyId, KeyVersionId: keyVersionId } };
}

function readAlgorithm(query: URLSearchParams, key: StoredKey): SigningAlgorithm {
  const algorithm = requireParameter(query, 'Algorithm');
  const known = algorithms.includes(algorithm) ? (algorithm as SigningAlgorithm) : undefined;
  if (known === undefined || !canSign(key.config.spec, known) || key.config.usage !== 'SIGN/VERIFY') {
    throw invalidParameter('Algorithm');
  }
  return known;
}

function readDigest(query: URLSearchParams): Uint8Array {
  const digest = readBase64(query, 'Digest');
  if (digest.length !== digestLength) throw invalidParameter('Digest');
  return digest;
}

function readBase64(query: URLSearchParams, name: string): Uint8Array {
  const text = requireParameter(query, name);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw invalidParameter(name);
  return bytes;
}

function describeKey({ config }: KmsContext, key: StoredKey): Record<string, unknown> {
  const { keyId, spec, usage } = key.config;
  return {
    KeyId: keyId,
    Arn: `acs:kms:${config.region}:${key.accountId}:key/${keyId}`,
    KeySpec: spec,
    KeyUsage: usage,
    KeyState: key.state,
    Origin: 'Aliyun_KMS',
    ProtectionLevel: 'SOFTWARE',
    Creator: key.accountId,
    // Asymmetric keys have no primary version.
    PrimaryKeyVersion: '',
    DeletionProtection: 'Disabled',
  };
}

function listKeyVersions(key: StoredKey, query: URLSearchParams): Record<string, unknown> {
  const pageNumber = readCount(query, 'PageNumber', 1);
  const pageSize = readCount(query, 'PageSize', 10);
  if (pageNumber < 1 || pageSize < 1 || pageSize > pageSizeMax) throw invalidParameter('PageSize');
  const all = [...key.versions].map(([keyVersionId, { createdAt }]) => ({
    KeyId: key.config.keyId,
    KeyVersionId: keyVersionId,
    CreationDate: createdAt.toISOString().replace(/\.\d{3}Z$/, 'Z'),
  }));
  const page = all.slice((pageNumber - 1) * pageSize, pageNumber * pageSize);
  return { KeyVersions: { KeyVersion: page }, TotalCount: all.length, PageNumber: pageNumber, PageSize: pageSize };
}

/** All keys of the account; RAM names no single one here. */
function listKeys({ config, keys }: KmsContext, query: URLSearchParams, identity: Identity): Record<string, unknown> {
  const { accountId } = identity;
  authorize(identity, 'kms:ListKeys', `acs:kms:${config.region}:${accountId}:key`, 'Forbidden.NoPermission');
  const pageSize = readCount(query, 'PageSize', 10);
  const ours = [...keys.values()].filter((key) => key.accountId === accountId);
  const all = ours.map(({ config: { keyId } }) => ({ KeyId: keyId }));
  return { Keys: { Key: all.slice(0, pageSize) }, TotalCount: all.length, PageNumber: 1, PageSize: pageSize };
}

function readCount(query: URLSearchParams, name: string, fallback: number): number {
  const value = Number(query.get(name) ?? fallback);
  if (!Number.isInteger(value)) throw invalidParameter(name);
  return value;
}
