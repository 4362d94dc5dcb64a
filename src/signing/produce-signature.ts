import type { Format } from '../domain/algorithm.ts';
import { isSameSignature } from '../domain/cosign-layer.ts';
import type { Descriptor, FetchedManifest } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { SignatureFormat } from '../formats/signature-format.ts';
import type { AuditLog } from '../observability/audit.ts';
import type { Clock } from '../ports/clock.ts';
import type { IntentStore } from '../ports/intent-store.ts';
import type { Quota } from '../ports/quota.ts';
import type { SignatureArtifact, SignatureStores } from '../ports/signature-store.ts';
import { quotaOf } from '../rules/quota-of.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { findListedSignature } from '../verification/find-signature.ts';
import { verifySignature } from '../verification/verify-signature.ts';
import { decodeArtifact, encodeArtifact } from './artifact-record.ts';
import type { ReachedPoint } from './crash-points.ts';
import type { Intent, IntentScope } from './intent.ts';
import { type QuotaCall, withinQuota } from './within-quota.ts';

export interface ProduceSignatureTools {
  readonly ruleSet: RuleSet;
  readonly stores: SignatureStores;
  readonly intents: IntentStore;
  readonly quota: Quota;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly formats: ReadonlyMap<Format, SignatureFormat>;
  /** The manifest that the tag points at now. Throws AutosignError `not-found` when there is none. */
  readonly resolve: (repository: string, tag: string) => Promise<FetchedManifest>;
  readonly reached?: ReachedPoint | undefined;
}

export interface ProduceSignatureScope extends IntentScope {
  readonly manifest: FetchedManifest;
  /** What made us look, for the audit file: a hint, believed by nobody. */
  readonly event: { readonly kind: string; readonly at?: string | undefined; readonly digest?: Digest | undefined };
}

/**
 * Steps 8 to 10 for one intent: has the artifact made and stored, or takes the stored one; pushes it; finds it again
 * by a verifier's route. Answers its digest, or `moved` when the tag points elsewhere after a wait for quota.
 */
export async function produceSignature(
  intent: Intent,
  scope: ProduceSignatureScope,
  tools: ProduceSignatureTools,
): Promise<Digest | 'moved'> {
  // Step 8: whoever stored an artifact under this intent first has decided on its bytes.
  tools.reached?.('step-8');
  const stored = await tools.intents.get(intent.id);
  const made = stored === undefined ? await makeArtifact(intent, scope, tools) : { kept: stored };
  if (made === 'moved') return 'moved';
  const artifact = made.verified ?? readStored(made.kept, intent, scope, tools);

  // Step 9: pushing the same bytes again changes nothing, so rivals and retries are harmless.
  tools.reached?.('step-9');
  const { place } = formatOf(intent, tools);
  const listed = await tools.stores[place].push(scope.repository, scope.subject, artifact);

  // Step 10: nothing is called signed that a verifier would not find.
  tools.reached?.('step-10');
  await readBack({ artifact, listed }, intent, scope, tools);
  tools.reached?.('step-10-read-back');
  await tools.audit.write({
    kind: 'outcome',
    ...auditFields(intent, scope, tools),
    outcome: 'signed',
    artifact: artifact.descriptor.digest,
  });
  tools.reached?.('step-10-audited');
  return artifact.descriptor.digest;
}

interface MadeArtifact {
  /** What Redis holds under the intent: the bytes of whoever came first. */
  readonly kept: Uint8Array;
  /** Set when those are, byte for byte, what was made and verified here a moment ago. */
  readonly verified?: SignatureArtifact | undefined;
}

/** Makes the artifact within the quota of the key's account; a place that had to be waited for makes the tag be asked again. */
function makeArtifact(
  intent: Intent,
  scope: ProduceSignatureScope,
  tools: ProduceSignatureTools,
): Promise<MadeArtifact | 'moved'> {
  const limit = quotaOf(tools.ruleSet, intent.signingKey.key);
  const lane = scope.event.kind === 'push' ? 'push' : 'backfill';
  return withinQuota({
    take: async () => (limit === undefined ? undefined : await tools.quota.take(limit, lane)),
    stillWanted: () => stillTagged(scope, tools),
    work: (call) => signAndStore(intent, scope, tools, call),
  });
}

/** Signs, verifies what the key answered, and stores the finished artifact. */
async function signAndStore(
  intent: Intent,
  scope: ProduceSignatureScope,
  tools: ProduceSignatureTools,
  call: QuotaCall,
): Promise<MadeArtifact> {
  const { algorithm, signingKey } = intent;
  const { signer, certificateChain } = signingKey;
  const prepared = formatOf(intent, tools).prepare({
    subject: scope.subject,
    binding: intent.binding,
    algorithm,
    certificateChain,
    signingTime: tools.clock.now(),
  });
  const fields = auditFields(intent, scope, tools);
  await tools.audit.write({ kind: 'intent', ...fields });
  tools.reached?.('step-8-audited');
  let requestId: string | undefined;
  try {
    const answer = await call(() => signer.sign(algorithm, prepared.signedBytes));
    ({ requestId } = answer);
    tools.reached?.('step-8-signed');
    const artifact = prepared.finish(answer.signature);
    checkArtifact(artifact, intent, scope, tools, 'signature-invalid');
    await tools.audit.write({
      kind: 'outcome',
      ...fields,
      outcome: 'made',
      requestId,
      artifact: artifact.descriptor.digest,
    });
    const own = encodeArtifact(artifact);
    const kept = await tools.intents.putIfAbsent(intent.id, own);
    tools.reached?.('step-8-stored');
    return { kept, ...(Buffer.compare(kept, own) === 0 && { verified: artifact }) };
  } catch (error) {
    const known = isAutosignError(error) ? error : undefined;
    requestId ??= known?.requestId;
    await tools.audit.write({
      kind: 'outcome',
      ...fields,
      outcome: 'failed',
      code: known?.code ?? 'unexpected',
      requestId,
    });
    throw error;
  }
}

/** The artifact that Redis holds, which anybody may have written: verified like an answer of the key. */
function readStored(
  bytes: Uint8Array,
  intent: Intent,
  scope: ProduceSignatureScope,
  tools: ProduceSignatureTools,
): SignatureArtifact {
  const artifact = decodeArtifact(bytes);
  checkArtifact(artifact, intent, scope, tools, 'intent-conflict');
  return artifact;
}

/** Whether the tag still points at what was resolved; asked again after every wait. */
async function stillTagged({ repository, tag, subject }: ProduceSignatureScope, { resolve }: ProduceSignatureTools) {
  try {
    return (await resolve(repository, tag)).descriptor.digest === subject.digest;
  } catch (error) {
    if (isAutosignError(error, 'not-found')) return false;
    throw error;
  }
}

/** Verifies an artifact, made or stored, with the pinned public key against the payload that this intent demands. */
function checkArtifact(
  artifact: SignatureArtifact,
  intent: Intent,
  scope: ProduceSignatureScope,
  tools: ProduceSignatureTools,
  code: 'intent-conflict' | 'signature-invalid',
): void {
  const { key, trust } = intent.signingKey;
  const refuse = (reason: string, cause?: unknown): never => {
    const message =
      code === 'signature-invalid'
        ? `What key ${key.name} answered is not its signature (${reason}). Compare publicKeyFile with the key version in KMS.`
        : `The artifact stored in Redis for intent ${intent.id} is not what this intent demands (${reason}). Delete it there; nothing was pushed.`;
    throw new AutosignError(code, message, { cause });
  };
  try {
    const verdict = verifySignature({
      signature: formatOf(intent, tools).parse(artifact),
      subject: scope.subject,
      binding: intent.binding,
      trust: { ...trust, versions: [trust.versions[0]] },
      now: tools.clock.now(),
      outliveMs: 0,
    });
    if (!verdict.valid) refuse(verdict.message);
  } catch (error) {
    if (isAutosignError(error, 'manifest-invalid')) refuse(error.message, error);
    throw error;
  }
}

interface PushedArtifact {
  readonly artifact: SignatureArtifact;
  /** The referrers as the push has read them after its last write; absent: to be listed. */
  readonly listed: readonly Descriptor[] | undefined;
}

async function readBack(
  { artifact, listed }: PushedArtifact,
  intent: Intent,
  { repository, subject }: ProduceSignatureScope,
  tools: ProduceSignatureTools,
): Promise<void> {
  const format = formatOf(intent, tools);
  const store = tools.stores[format.place];
  const all = listed ?? (await store.list(repository, subject.digest));
  const { found } = await findListedSignature({
    store,
    format,
    repository,
    subject,
    binding: intent.binding,
    trust: intent.signingKey.trust,
    now: tools.clock.now(),
    outliveMs: 0,
    listed: all.filter((one) => isSameSignature(one, artifact.descriptor)),
  });
  if (found === undefined) {
    throw new AutosignError(
      'signature-not-found',
      `The signature ${artifact.descriptor.digest} of ${repository}@${subject.digest} was pushed, but the registry does not list it; it is tried again.`,
    );
  }
}

/** The format of an intent; the rules are refused at load when one is not built. */
export function formatOf(
  { format }: Pick<Intent, 'format'>,
  { formats }: Pick<ProduceSignatureTools, 'formats'>,
): SignatureFormat {
  const built = formats.get(format);
  if (built === undefined) throw new Error(`no format ${format}`);
  return built;
}

function auditFields(
  intent: Intent,
  { registry, repository, tag, subject, event }: ProduceSignatureScope,
  { ruleSet }: ProduceSignatureTools,
) {
  const { key, certificateSha256, publicKeySha256 } = intent.signingKey;
  const kms = key.source.kind === 'kms' ? { keyVersion: key.source.keyVersionId, role: key.source.roleArn } : {};
  return {
    intent: intent.id,
    event,
    registry: registry.name,
    repository,
    tag,
    digest: subject.digest,
    rules: intent.rules.map((rule) => rule.name),
    rulesHash: ruleSet.hash,
    key: key.name,
    ...kms,
    publicKeySha256,
    certificateSha256,
    algorithm: intent.algorithm,
    format: intent.format,
    mode: intent.binding.mode,
  };
}
