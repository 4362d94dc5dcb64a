import type { Descriptor } from '../domain/descriptor.ts';
import { type Digest, digestOf } from '../domain/digest.ts';
import { AutosignError } from '../domain/errors.ts';
import type { ManifestArtifact, SignatureArtifact, SignatureStore } from '../ports/signature-store.ts';
import type { SubjectLock } from '../ports/subject-lock.ts';
import { defaultLockName } from './enter-in-shared-tag.ts';
import { createFallbackEntries, findGone, isListed } from './fallback-entries.ts';
import { type FallbackLimits, readFallbackIndex } from './fallback-index.ts';
import { createArtifactPusher } from './push-artifact.ts';
import { readSignature, type SignatureLimits } from './read-signature.ts';
import type { RegistryClient } from './registry-client.ts';
import { registryLimits } from './registry-limits.ts';

export interface SignatureStoreOptions {
  readonly client: RegistryClient;
  /** Held while a list that signers share is read, extended and written. */
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

/** The referrers of an image are manifests of their own. */
interface ReferrersStore extends SignatureStore {
  read(repository: string, listed: Descriptor): Promise<ManifestArtifact>;
}

/** The signatures among the referrers of images in the registry behind `client`; one store for one client. */
export function createSignatureStore(options: SignatureStoreOptions): ReferrersStore {
  const { client, lock } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const lockName = options.lockName ?? ((...of) => defaultLockName(client.host, ...of));
  const entries = createFallbackEntries({ client, lock, lockName, limits });
  const pushArtifact = createArtifactPusher({ client, configsKnownMax: limits.configsKnownMax });
  // Only the answer to a push tells (distribution-spec, "Pushing Manifests with Subject"): some registries answer a
  // referrers request with an empty list and keep none.
  let keepsReferrers: boolean | undefined;

  async function list(repository: string, subject: Digest): Promise<readonly Descriptor[]> {
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
  }

  return {
    list,

    read: (repository, referrer) => readSignature(client, repository, referrer, limits),

    async push(repository, subject, artifact) {
      const { ociSubject } = await pushArtifact(repository, checkedManifest(artifact));
      if (ociSubject !== undefined && ociSubject !== subject.digest) {
        throw new AutosignError(
          'registry-protocol',
          `${client.host}/${repository}: the registry took a signature of ${subject.digest} for one of ${ociSubject}`,
        );
      }
      keepsReferrers = ociSubject !== undefined;
      return keepsReferrers ? undefined : await entries.enter(repository, subject.digest, artifact.descriptor);
    },

    async forget(repository, subject, candidates) {
      await entries.forget(repository, subject, candidates);
      const listed = await list(repository, subject);
      const still = candidates.filter((candidate) => isListed(listed, candidate));
      const [stays] = await findGone(client, repository, still, limits);
      if (stays === undefined) return;
      throw new AutosignError(
        'referrers-incomplete',
        `${client.host}/${repository}@${subject}: the registry lists the signature ${stays}, which is gone; verifiers stumble over it: remove it from the list`,
      );
    },
  };
}

function checkedManifest(artifact: SignatureArtifact): ManifestArtifact {
  if (artifact.manifest === undefined) throw new Error('a referrer is a manifest of its own');
  const pairs = [{ digest: artifact.descriptor.digest, bytes: artifact.manifest }, ...artifact.blobs];
  const wrong = pairs.find(({ digest, bytes }) => digestOf(bytes) !== digest);
  if (wrong === undefined) return artifact;
  throw new AutosignError('digest-mismatch', `the artifact to push holds bytes that are not ${wrong.digest}`);
}
