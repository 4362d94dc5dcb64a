import type { Descriptor } from '../domain/descriptor.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { ParsedSignature, SignatureFormat } from '../formats/signature-format.ts';
import type { SignatureArtifact, SignatureStore } from '../ports/signature-store.ts';
import type { TrustedVersion } from './trust.ts';
import { type Refusal, type SignatureDemand, verifySignature } from './verify-signature.ts';

/** notation gives up after as many signatures of one image (notation verify, --max-signatures): what comes later it does not find. */
export const candidatesMax = 100;

export interface FindSignatureOptions extends SignatureDemand {
  readonly store: SignatureStore;
  readonly format: SignatureFormat;
  /** Of the image, without host. */
  readonly repository: string;
  /** What `store.list` gave, when the caller asked already. */
  readonly listed?: readonly Descriptor[] | undefined;
}

/** A listed signature that does not count, and why. */
interface RefusedSignature {
  readonly descriptor: Descriptor;
  readonly reason: Refusal | 'unreadable';
  readonly message: string;
}

export interface SignatureFinding {
  /** The first listed signature that counts. */
  readonly found: { readonly descriptor: Descriptor; readonly version: TrustedVersion } | undefined;
  /** Those that were looked at before it and do not count. */
  readonly others: readonly RefusedSignature[];
  /** Those that were looked at before it and are listed, but not there any more: a verifier stumbles over them. */
  readonly gone: readonly Descriptor[];
}

/**
 * Looks for a signature that counts among those that are listed for an image, by the route a verifier takes. What is not a
 * signature that we could have made is passed over; what cannot be looked at is an error and never "unsigned".
 * @throws AutosignError `referrers-incomplete` for too many candidates; what the store throws
 */
export async function findSignature(options: FindSignatureOptions): Promise<SignatureFinding> {
  const { store, format, repository, subject, binding, trust } = options;
  const leafCertificates = trust.versions.flatMap(({ chain }) => chain.slice(0, 1));
  const listed = options.listed ?? (await store.list(repository, subject.digest));
  const candidates = listed.filter((one) => format.mayBeOurs(one, { subject, binding, leafCertificates }));
  if (candidates.length > candidatesMax) {
    throw new AutosignError(
      'referrers-incomplete',
      `${repository}@${subject.digest} has ${candidates.length} signatures to look at, more than ${candidatesMax}: delete the superfluous ones`,
    );
  }
  const others: RefusedSignature[] = [];
  const gone: Descriptor[] = [];
  for (const descriptor of candidates) {
    const signature = await readCandidate(options, descriptor);
    if (signature === 'gone') {
      gone.push(descriptor);
      continue;
    }
    if (signature instanceof AutosignError) {
      others.push({ descriptor, reason: 'unreadable', message: signature.message });
      continue;
    }
    const verdict = verifySignature({ ...options, signature });
    if (verdict.valid) return { found: { descriptor, version: verdict.version }, others, gone };
    others.push({ descriptor, reason: verdict.reason, message: verdict.message });
  }
  return { found: undefined, others, gone };
}

/**
 * Like `findSignature` for those who cannot mend the list.
 * @throws AutosignError `referrers-incomplete` also for a candidate that is listed but gone
 */
export async function findListedSignature(options: FindSignatureOptions): Promise<SignatureFinding> {
  const finding = await findSignature(options);
  const [gone] = finding.gone;
  if (gone === undefined) return finding;
  throw new AutosignError(
    'referrers-incomplete',
    `${options.repository}@${options.subject.digest} lists the signature ${gone.digest}, which is gone; verifiers stumble over it: remove it from the list`,
  );
}

/** The signature, or why this candidate, which anybody may have pushed, is none. */
async function readCandidate(
  { store, format, repository }: FindSignatureOptions,
  descriptor: Descriptor,
): Promise<ParsedSignature | AutosignError | 'gone'> {
  let artifact: SignatureArtifact;
  try {
    artifact = await store.read(repository, descriptor);
    return format.parse(artifact);
  } catch (error) {
    if (isAutosignError(error, 'manifest-invalid', 'too-large')) return error;
    if (isAutosignError(error, 'not-found')) return 'gone';
    throw error;
  }
}
