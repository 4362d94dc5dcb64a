import { setTimeout as sleep } from 'node:timers/promises';
import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import { enterInSharedTag } from './enter-in-shared-tag.ts';
import type { CallOptions } from './exchange.ts';
import {
  appendReferrer,
  type FallbackLimits,
  fallbackTag,
  readFallbackIndex,
  removeReferrers,
} from './fallback-index.ts';
import { readSignature, type SignatureLimits } from './read-signature.ts';
import type { RegistryClient } from './registry-client.ts';

/** Changes of fallback indexes, each under the lock of its subject. */
export interface FallbackEntries {
  /**
   * Gives the list as it is read once more at the end.
   * @throws AutosignError `signature-not-found` when another program keeps writing over it; `lock-lost`, `registry-*`
   */
  enter(repository: string, subject: Digest, referrer: Descriptor): Promise<readonly Descriptor[]>;
  /** Takes out those of `candidates` that are gone from the registry when they are looked at under the lock. */
  forget(repository: string, subject: Digest, candidates: readonly Descriptor[]): Promise<void>;
}

export interface FallbackEntriesOptions {
  readonly client: RegistryClient;
  readonly lock: SubjectLock;
  readonly lockName: (repository: string, subject: Digest) => string;
  readonly limits: SignatureLimits & FallbackLimits;
}

// Far longer than a registry takes to write a file of seventy bytes.
const rivalPushMs = 200;

export function createFallbackEntries({ client, lock, lockName, limits }: FallbackEntriesOptions): FallbackEntries {
  const read = (repository: string, subject: Digest, options?: CallOptions) =>
    readFallbackIndex(client, repository, subject, limits, options);
  const put = async (repository: string, subject: Digest, bytes: Uint8Array, options: CallOptions) => {
    const write = () => client.putManifest(repository, fallbackTag(subject), mediaTypes.ociIndex, bytes, options);
    try {
      await write();
    } catch (error) {
      if (!isAutosignError(error, 'registry-protocol', 'not-found')) throw error;
      // docker-registry 2.8 refuses an index while a rival pushes one of the manifests in it once more: the link file
      // of that manifest is empty for a moment.
      await sleep(rivalPushMs);
      await write();
    }
  };

  return {
    async enter(repository, subject, referrer) {
      const index = await enterInSharedTag({
        lock,
        lockName: lockName(repository, subject),
        read: (options) => read(repository, subject, options),
        isEntered: ({ referrers }) => isListed(referrers, referrer),
        write: async (index, options) => {
          await put(repository, subject, appendReferrer(index, referrer, limits), options);
        },
      });
      if (index !== undefined) return index.referrers;
      throw new AutosignError(
        'signature-not-found',
        `${client.host}/${repository}@${subject}: the signature ${referrer.digest} does not stay in the fallback index; another program writes it`,
      );
    },

    forget: (repository, subject, candidates) =>
      lock.hold(lockName(repository, subject), async (signal, assertHeld) => {
        const index = await read(repository, subject, { signal });
        const listed = candidates.filter((candidate) => isListed(index.referrers, candidate));
        const gone = await findGone(client, repository, listed, limits);
        const options = { signal, beforeSend: assertHeld };
        if (gone.size > 0) await put(repository, subject, removeReferrers(index, gone), options);
      }),
  };
}

/** The digests of those of `referrers` that are not there: not the manifest, or not a layer of it. */
export async function findGone(
  client: RegistryClient,
  repository: string,
  referrers: readonly Descriptor[],
  limits: SignatureLimits,
): Promise<ReadonlySet<string>> {
  const gone = new Set<string>();
  for (const referrer of referrers) {
    await readSignature(client, repository, referrer, limits).catch((error: unknown) => {
      if (!isAutosignError(error, 'not-found')) throw error;
      gone.add(referrer.digest);
    });
  }
  return gone;
}

export function isListed(referrers: readonly Descriptor[], wanted: Descriptor): boolean {
  return referrers.some((referrer) => referrer.digest === wanted.digest);
}
