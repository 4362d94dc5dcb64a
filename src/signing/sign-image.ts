import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { type ExamineImageRequest, type ExamineImageTools, examineImage, type ListedButGone } from './examine-image.ts';
import type { Intent, IntentScope } from './intent.ts';
import { type IntentOutcome, intentOutcome, type SignImageResult } from './outcome.ts';
import { type ProduceSignatureTools, produceSignature } from './produce-signature.ts';

export interface SignImageRequest extends ExamineImageRequest {
  /** What the event said was pushed; only compared, never signed. */
  readonly eventDigest?: Digest | undefined;
  /** For the audit file: what made us look, and when (ISO 8601). */
  readonly cause: string;
  readonly causedAt?: string | undefined;
}

export interface SignImageTools extends ExamineImageTools, ProduceSignatureTools {}

/** How often the tag may move under one job before the job is given back to the queue. */
const roundsMax = 5;

/**
 * Steps 5 to 10 of a push (src/README.md): looks at what the tag points at now, decides what the rules demand of it,
 * and produces each signature that is not there yet. One intent that fails does not stop the others.
 * @throws AutosignError for what stops all intents alike: the registry, the rules, Redis
 */
export async function signImage(request: SignImageRequest, tools: SignImageTools): Promise<SignImageResult> {
  for (let round = 0; round < roundsMax; round += 1) {
    const result = await signOnce(request, tools);
    if (result !== 'moved') return result;
  }
  throw new AutosignError(
    'signature-not-found',
    `The tag ${request.repository}:${request.tag} moved ${roundsMax} times while it was being signed; it is tried again.`,
  );
}

async function signOnce(request: SignImageRequest, tools: SignImageTools): Promise<SignImageResult | 'moved'> {
  // Steps 5 to 7: what is there, what is wanted, what is missing?
  const examined = await examineImage(request, tools);
  if (examined.ended !== undefined) return { outcome: examined.ended, failures: [] };

  // Steps 8 to 10 for each missing signature: sign, push, read back.
  const { scope, manifest, gone } = examined;
  await mendLists(gone, scope, tools);
  const event = { kind: request.cause, at: request.causedAt, digest: request.eventDigest };
  const outcomes: IntentOutcome[] = [...examined.settled];
  const failures = [...examined.failures];
  for (const intent of examined.missing) {
    try {
      const artifact = await produceSignature(intent, { ...scope, event, manifest }, tools);
      if (artifact === 'moved') return 'moved';
      outcomes.push(intentOutcome(intent, 'signed', { artifact }));
    } catch (error) {
      if (!isAutosignError(error)) throw error;
      failures.push({ key: intent.signingKey.key.name, error });
      outcomes.push(failedOutcome(intent, error));
    }
  }
  const { digest } = scope.subject;
  const superseded = request.eventDigest !== undefined && request.eventDigest !== digest;
  return { outcome: { status: 'examined', digest, superseded, intents: outcomes }, failures };
}

async function mendLists(gone: readonly ListedButGone[], scope: IntentScope, { stores }: SignImageTools) {
  for (const place of new Set(gone.map((entry) => entry.place))) {
    const entries = gone.filter((entry) => entry.place === place);
    const descriptors = entries.map(({ descriptor }) => descriptor);
    await stores[place].forget(scope.repository, scope.subject.digest, descriptors);
  }
}

/** What is wrong around the image makes its intent wait; what is wrong with the image makes it fail. */
function failedOutcome(intent: Intent, error: AutosignError): IntentOutcome {
  const status = error.kind === 'surroundings' ? 'waiting' : 'failed';
  return intentOutcome(intent, status, { reason: error.message, code: error.code });
}
