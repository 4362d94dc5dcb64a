import type { Descriptor } from '../domain/descriptor.ts';
import { type Digest, digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import { mediaTypes } from '../domain/media-types.ts';
import type { SignatureArtifact, SignatureStore } from '../ports/signature-store.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import { appendReferrer, type FallbackLimits, fallbackTag, readFallbackIndex } from './fallback-index.ts';
import { createArtifactPusher } from './push-artifact.ts';
import { readSignature, type SignatureLimits } from './read-signature.ts';
import type { RegistryClient } from './registry-client.ts';
import { registryLimits } from './registry-limits.ts';

export interface SignatureStoreOptions {
  readonly client: RegistryClient;
  /** Held while a fallback index is read, extended and written. */
  readonly lock: SubjectLock;
  /**
   * The name of the lock of one subject. All workers must agree on it, also those that reach the registry by another
   * host name. By default `referrers/<host>/<repository>@<digest>`.
   */
  readonly lockName?: ((repository: string, subject: Digest) => string) | undefined;
  readonly limits?: Partial<SignatureStoreLimits> | undefined;
}

interface SignatureStoreLimits extends SignatureLimits, FallbackLimits {
  readonly configsKnownMax: number;
}

const defaultLimits: SignatureStoreLimits = {
  referrersMax: registryLimits.referrersMax,
  manifestBytesMax: registryLimits.manifestBytesMax,
  // An envelope with chain and timestamp is below 32 kB; a megabyte leaves room for attachments we do not know.
  envelopeBytesMax: 1024 * 1024,
  // Notation has one layer, cosign one a signature on its tag.
  layersMax: 10,
  // Repositories of which we remember that the empty config is there: a set of names, some megabytes at most.
  configsKnownMax: 10_000,
};

/** How often a push enters a lost entry into the fallback index: once, and once again. */
const fallbackAttempts = 2;

/** The signatures of the registry behind `client`; one store for one client. */
export function createSignatureStore(options: SignatureStoreOptions): SignatureStore {
  const { client, lock } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const lockName = options.lockName ?? ((repository, subject) => `referrers/${client.host}/${repository}@${subject}`);
  const pushArtifact = createArtifactPusher({ client, configsKnownMax: limits.configsKnownMax });
  // Only the answer to a push tells (distribution-spec, "Pushing Manifests with Subject"): some registries answer a
  // referrers request with an empty list and keep none.
  let keepsReferrers: boolean | undefined;

  /** Gives the list as it is read once more at the end. */
  async function enterInFallbackIndex(
    repository: string,
    subject: Digest,
    referrer: Descriptor,
  ): Promise<readonly Descriptor[]> {
    for (let attempt = 0; attempt < fallbackAttempts; attempt += 1) {
      await lock.hold(lockName(repository, subject), async (signal, assertHeld) => {
        const index = await readFallbackIndex(client, repository, subject, limits, { signal });
        if (isListed(index.referrers, referrer)) return;
        const bytes = appendReferrer(index, referrer, limits);
        const options = { signal, beforeSend: assertHeld };
        await client.putManifest(repository, fallbackTag(subject), mediaTypes.ociIndex, bytes, options);
      });
      // After the lock, because programs that know nothing of it may have written over ours.
      const { referrers } = await readFallbackIndex(client, repository, subject, limits);
      if (isListed(referrers, referrer)) return referrers;
    }
    throw new AutosignError(
      'signature-not-found',
      `${client.host}/${repository}@${subject}: the signature ${referrer.digest} does not stay in the fallback index; another program writes it`,
    );
  }

  return {
    async list(repository, subject) {
      const [api, fallback] = await Promise.all([
        keepsReferrers === false ? undefined : client.getReferrers(repository, subject),
        keepsReferrers === true ? undefined : readFallbackIndex(client, repository, subject, limits),
      ]);
      if (keepsReferrers === true && api?.supported === false) {
        throw new AutosignError(
          'referrers-incomplete',
          `${client.host}/${repository}@${subject}: the registry keeps a list of referrers and does not answer it now`,
        );
      }
      const merged = new Map<Digest, Descriptor>();
      for (const referrer of [...(api?.referrers ?? []), ...(fallback?.referrers ?? [])]) {
        if (!merged.has(referrer.digest)) merged.set(referrer.digest, referrer);
      }
      return [...merged.values()];
    },

    read: (repository, referrer) => readSignature(client, repository, referrer, limits),

    async push(repository, subject, artifact) {
      checkArtifact(artifact);
      const { ociSubject } = await pushArtifact(repository, artifact);
      if (ociSubject !== undefined && ociSubject !== subject.digest) {
        throw new AutosignError(
          'registry-protocol',
          `${client.host}/${repository}: the registry took a signature of ${subject.digest} for one of ${ociSubject}`,
        );
      }
      keepsReferrers = ociSubject !== undefined;
      if (keepsReferrers) return undefined;
      return await enterInFallbackIndex(repository, subject.digest, artifact.descriptor);
    },
  };
}

function isListed(referrers: readonly Descriptor[], wanted: Descriptor): boolean {
  return referrers.some((referrer) => referrer.digest === wanted.digest);
}

function checkArtifact({ descriptor, manifest, blobs }: SignatureArtifact): void {
  const pairs = [{ digest: descriptor.digest, bytes: manifest }, ...blobs];
  const wrong = pairs.find(({ digest, bytes }) => digestOf(bytes) !== digest);
  if (wrong === undefined) return;
  throw new AutosignError('digest-mismatch', `the artifact to push holds bytes that are not ${wrong.digest}`);
}
