import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import {
  appendReferrer,
  type FallbackIndex,
  type FallbackLimits,
  fallbackTag,
  readFallbackIndex,
  removeReferrers,
} from './fallback-index.ts';
import { readSignature, type SignatureLimits } from './read-signature.ts';
import type { RegistryClient } from './registry-client.ts';

/** Changes of fallback indexes, each under the lock of its subject. */
export interface FallbackEntries {
  /** @throws AutosignError `signature-not-found` when another program keeps writing over it; `lock-lost`, `registry-*` */
  enter(repository: string, subject: Digest, referrer: Descriptor): Promise<void>;
  /** Takes out those of `candidates` that are gone from the registry when they are looked at under the lock. */
  forget(repository: string, subject: Digest, candidates: readonly Descriptor[]): Promise<void>;
}

export interface FallbackEntriesOptions {
  readonly client: RegistryClient;
  readonly lock: SubjectLock;
  readonly lockName: (repository: string, subject: Digest) => string;
  readonly limits: SignatureLimits & FallbackLimits;
}

/** How often a push enters a lost entry into the fallback index: once, and once again. */
const attempts = 2;

export function createFallbackEntries({ client, lock, lockName, limits }: FallbackEntriesOptions): FallbackEntries {
  /** Reads the index under the lock and writes what `change` makes of it; undefined: nothing to change. */
  function update(
    repository: string,
    subject: Digest,
    change: (index: FallbackIndex) => Promise<Uint8Array | undefined> | Uint8Array | undefined,
  ): Promise<void> {
    return lock.hold(lockName(repository, subject), async (signal, assertHeld) => {
      const bytes = await change(await readFallbackIndex(client, repository, subject, limits, { signal }));
      if (bytes === undefined) return;
      const options = { signal, beforeSend: assertHeld };
      await client.putManifest(repository, fallbackTag(subject), mediaTypes.ociIndex, bytes, options);
    });
  }

  return {
    async enter(repository, subject, referrer) {
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        await update(repository, subject, (index) =>
          isListed(index.referrers, referrer) ? undefined : appendReferrer(index, referrer, limits),
        );
        // After the lock, because programs that know nothing of it may have written over ours.
        const { referrers } = await readFallbackIndex(client, repository, subject, limits);
        if (isListed(referrers, referrer)) return;
      }
      throw new AutosignError(
        'signature-not-found',
        `${client.host}/${repository}@${subject}: the signature ${referrer.digest} does not stay in the fallback index; another program writes it`,
      );
    },

    forget: (repository, subject, candidates) =>
      update(repository, subject, async (index) => {
        const listed = candidates.filter((candidate) => isListed(index.referrers, candidate));
        const gone = await findGone(client, repository, listed, limits);
        return gone.size === 0 ? undefined : removeReferrers(index, gone);
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
