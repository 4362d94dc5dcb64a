import { z } from 'zod';
import type { SigningAlgorithm } from '../domain/algorithm.ts';
import { sha256 } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Signer } from '../ports/signer.ts';
import type { KmsKeySource } from '../rules/rule-set.ts';
import { alibabaCodeOf } from './call-openapi.ts';
import { aliasSessionPolicy, inspectionPolicy, keySessionPolicy } from './key-session-policy.ts';
import { type CallKms, createKmsCaller, type KmsCallerOptions } from './kms-call.ts';

export type KmsKeyOptions = KmsCallerOptions;

/** What KMS says of a key, in its own words. */
interface KmsKeyDescription {
  /** `RSA_2048`, `RSA_3072`, `EC_P256`, … */
  readonly spec: string;
  /** `SIGN/VERIFY` or `ENCRYPT/DECRYPT`. */
  readonly usage: string;
  /** `Enabled`, `Disabled`, `PendingDeletion` or `PendingImport`. */
  readonly state: string;
}

/** What KMS answers when it is asked whether it would sign. */
type SignPermission = 'allowed' | 'denied' | 'invalid';

/** One pinned version of a key in Alibaba Cloud KMS; every method throws as `sign` does. */
export interface KmsKey extends Signer {
  /** PEM, SPKI. Asked once: the public key of a version never changes. */
  getPublicKey(): Promise<string>;
  /** Asked again after five minutes, and each time while the key is not enabled. */
  describe(): Promise<KmsKeyDescription>;
  /** Has KMS verify a signature over `message` (RSA raw, ECDSA in DER). */
  verify(algorithm: SigningAlgorithm, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
  /** The ids of all versions that the key has, the pinned one or not. */
  listVersions(): Promise<readonly string[]>;
  /** Whether KMS would sign, without a signature being made (`DryRun`). */
  maySign(algorithm: SigningAlgorithm): Promise<SignPermission>;
}

/**
 * Spec and usage of a key never change, and that it was disabled each signature finds out by itself: this only spares
 * calls while many rules are loaded again, and an alias that leads elsewhere is noticed within it.
 */
const describedMs = 5 * 60_000;
const versionPage = 100;
const versionPagesMax = 10;

const pinned = { KeyId: z.string(), KeyVersionId: z.string(), RequestId: z.string() };
const SignAnswer = z.object({ ...pinned, Value: z.base64().min(1) });
const VerifyAnswer = z.object({ ...pinned, Value: z.boolean() });
const PublicKeyAnswer = z.object({ ...pinned, PublicKey: z.string().includes('BEGIN PUBLIC KEY') });
const DescribeAnswer = z.object({
  KeyMetadata: z.object({ KeyId: z.string(), KeySpec: z.string(), KeyUsage: z.string(), KeyState: z.string() }),
});
const VersionsAnswer = z.object({
  KeyVersions: z.object({ KeyVersion: z.array(z.object({ KeyId: z.string(), KeyVersionId: z.string() })) }),
  TotalCount: z.coerce.number(),
});

/**
 * A key in KMS, reached through its role with a session that may use this one key only. What a worker does not do
 * (verify, list versions) is done in a session of its own. Calls are made once; who calls decides on retries.
 * @throws AutosignError `rules-invalid` for a malformed role ARN
 */
export function createKmsKey(options: KmsKeyOptions): KmsKey {
  const { source, clock } = options;
  const keyOf = pinnedKey(options);
  const getPublicKey = kept(async () => {
    const { id, sign } = await keyOf();
    const query = { KeyId: id, KeyVersionId: source.keyVersionId };
    const answer = await sign('GetPublicKey', query, PublicKeyAnswer);
    checkPinned(source, id, answer, 'GetPublicKey');
    return answer.PublicKey;
  });
  let described: { readonly description: KmsKeyDescription; readonly untilMs: number } | undefined;

  return {
    async sign(algorithm, message) {
      const { id, sign } = await keyOf();
      const answer = await sign('AsymmetricSign', signQuery(source, id, algorithm, message), SignAnswer);
      checkPinned(source, id, answer, 'AsymmetricSign');
      return { signature: Buffer.from(answer.Value, 'base64'), requestId: answer.RequestId };
    },
    getPublicKey,
    async describe() {
      const nowMs = clock.now().getTime();
      if (described !== undefined && nowMs < described.untilMs) return described.description;
      const { id, describe } = await keyOf();
      // By the name in the rules file, so that an alias which leads to another key by now is noticed.
      const { KeyMetadata: key } = await describe('DescribeKey', { KeyId: source.keyId }, DescribeAnswer);
      checkPinned(source, id, { KeyId: key.KeyId, KeyVersionId: source.keyVersionId }, 'DescribeKey');
      const description = { spec: key.KeySpec, usage: key.KeyUsage, state: key.KeyState };
      described = { description, untilMs: key.KeyState === 'Enabled' ? nowMs + describedMs : nowMs };
      return description;
    },
    async verify(algorithm, message, signature) {
      const { id, inspect } = await keyOf();
      const query = { ...signQuery(source, id, algorithm, message), Value: Buffer.from(signature).toString('base64') };
      const answer = await inspect()('AsymmetricVerify', query, VerifyAnswer);
      checkPinned(source, id, answer, 'AsymmetricVerify');
      return answer.Value;
    },
    async listVersions() {
      const { id, inspect } = await keyOf();
      return listAllVersions(id, inspect());
    },
    async maySign(algorithm) {
      const { id, sign } = await keyOf();
      const query = { ...signQuery(source, id, algorithm, new Uint8Array()), DryRun: 'true' };
      const outcome: unknown = await sign('AsymmetricSign', query, z.unknown()).catch((error: unknown) => error);
      return readDryRun(outcome);
    },
  };
}

function signQuery(source: KmsKeySource, id: string, algorithm: SigningAlgorithm, message: Uint8Array) {
  return {
    KeyId: id,
    KeyVersionId: source.keyVersionId,
    Algorithm: algorithm,
    // AsymmetricSign takes the digest, never the message.
    Digest: Buffer.from(sha256(message)).toString('base64'),
  };
}

interface PinnedKey {
  readonly id: string;
  /** Calls what a worker needs. */
  readonly sign: CallKms;
  readonly describe: CallKms;
  /** Opens the session for the rest. */
  readonly inspect: () => CallKms;
}

/**
 * The key as all calls name it: by its id. What an alias leads to when it is first asked holds from then on, and the
 * session that signs is made for that key alone.
 */
function pinnedKey(options: KmsKeyOptions): () => Promise<PinnedKey> {
  const { source } = options;
  const openWith = (id: string, describe?: CallKms): PinnedKey => {
    const keySource = { ...source, keyId: id };
    const sign = createKmsCaller(options, keySessionPolicy(keySource));
    let inspect: CallKms | undefined;
    return {
      id,
      sign,
      describe: describe ?? sign,
      inspect: () => {
        inspect ??= createKmsCaller(options, inspectionPolicy(keySource));
        return inspect;
      },
    };
  };
  if (!source.keyId.startsWith('alias/')) {
    const key = openWith(source.keyId);
    return async () => key;
  }
  const resolve = createKmsCaller(options, aliasSessionPolicy(source));
  return kept(async () => {
    const { KeyMetadata } = await resolve('DescribeKey', { KeyId: source.keyId }, DescribeAnswer);
    return openWith(KeyMetadata.KeyId, resolve);
  });
}

/** Asks once, and again only after a failure; callers that come together share the answer. */
function kept<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

async function listAllVersions(id: string, call: CallKms): Promise<readonly string[]> {
  const versions: string[] = [];
  for (let page = 1; page <= versionPagesMax; page += 1) {
    const query = { KeyId: id, PageNumber: String(page), PageSize: String(versionPage) };
    const answer = await call('ListKeyVersions', query, VersionsAnswer);
    versions.push(...answer.KeyVersions.KeyVersion.map(({ KeyVersionId }) => KeyVersionId));
    if (versions.length >= answer.TotalCount || answer.KeyVersions.KeyVersion.length === 0) return versions;
  }
  return versions;
}

/** KMS answers a dry run with an error in every case (API reference, AsymmetricSign, "DryRun"). */
function readDryRun(outcome: unknown): SignPermission {
  if (!isAutosignError(outcome)) {
    const cause = outcome instanceof Error ? outcome : undefined;
    throw new AutosignError('kms-unreachable', 'AsymmetricSign: a dry run was answered as if it had signed', { cause });
  }
  switch (alibabaCodeOf(outcome)) {
    case 'DryRunOperationError':
      return 'allowed';
    case 'AccessDeniedError':
      return 'denied';
    case 'ValidationError':
      return 'invalid';
    default:
      throw outcome;
  }
}

/** A rule pins one version of one key, and nothing else may answer in its place. */
function checkPinned(
  source: KmsKeySource,
  id: string,
  answer: { readonly KeyId: string; readonly KeyVersionId: string },
  action: string,
): void {
  if (answer.KeyId === id && answer.KeyVersionId === source.keyVersionId) return;
  const alias = source.keyId === id ? '' : ` (${source.keyId}, when this process first asked)`;
  throw new AutosignError(
    'key-unusable',
    `${action}: asked for key ${id}${alias} version ${source.keyVersionId}, KMS answered for key ${answer.KeyId} version ${answer.KeyVersionId}. ` +
      "Write the key's id and version into the rules file; an alias must go on leading to the same key.",
  );
}
