import type { FetchedManifest } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import { deniedBy, matchRules } from '../rules/match.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Registry, Rule, RuleSet } from '../rules/rule-set.ts';
import { findSignature } from '../verification/find-signature.ts';
import { classifyManifest } from './classify-manifest.ts';
import { type Intent, type IntentScope, intentsOf } from './intent.ts';
import type { IntentOutcome, IntentStatus, SignImageResult } from './outcome.ts';
import { formatOf, type ProduceSignatureTools, produceSignature } from './produce-signature.ts';
import type { KeyRing, SigningKey } from './signing-key.ts';

export interface SignImageRequest {
  readonly registry: Registry;
  readonly repository: string;
  readonly tag: string;
  /** What the event said was pushed; only compared, never signed. */
  readonly eventDigest?: Digest | undefined;
  /** For the audit file: what made us look. */
  readonly cause: string;
}

export interface SignImageTools extends ProduceSignatureTools {
  /** One state of the rules and its keys. */
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly baseline: BaselineStore;
  /** The manifest that the tag points at now. Throws AutosignError `not-found` when there is none. */
  readonly resolve: (repository: string, tag: string) => Promise<FetchedManifest>;
}

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
  const { registry, repository, tag } = request;

  // Step 5: what does the tag point at, by the bytes that we hash ourselves?
  const manifest = await resolveTag(request, tools);
  if (manifest === undefined) return ended('gone', `The registry has no ${repository}:${tag} any more.`);
  const subject = manifest.descriptor;
  const kind = classifyManifest(manifest);
  if (!kind.image) return ended('not-an-image', `It is not an image: ${kind.reason}.`, subject.digest);

  // Step 6: which rules want it, and is it denied?
  const denied = deniedBy(tools.ruleSet, [subject.digest, ...kind.children], tools.clock.now());
  if (denied !== undefined) {
    return ended('denied', `${denied.digest} is on the deny list: ${denied.reason}.`, subject.digest);
  }
  const rules = matchRules(tools.ruleSet, { registry: registry.name, repository, tag });
  if (rules.length === 0) return ended('no-rule', 'No rule wants this image.', subject.digest);
  const scope = { registry, repository, tag, subject };
  const decided = await decideDemands(rules, scope, tools);

  // Step 7: which of the signatures are there already?
  const intents = intentsOf(decided.demands, scope);
  const referrers = intents.length === 0 ? [] : await tools.store.list(repository, subject.digest);
  const outcomes: IntentOutcome[] = [...decided.settled];
  const errors: AutosignError[] = [];
  for (const intent of intents) {
    try {
      const { found } = await findSignature({
        store: tools.store,
        format: formatOf(intent, tools),
        repository,
        subject,
        binding: intent.binding,
        trust: intent.signingKey.trust,
        now: tools.clock.now(),
        outliveMs: intent.signingKey.key.renewBeforeMs,
        referrers,
      });
      if (found !== undefined) {
        outcomes.push(intentOutcome(intent, 'already-signed', { artifact: found.descriptor.digest }));
        continue;
      }
      // Steps 8 to 10: sign, push, read back.
      const artifact = await produceSignature(intent, { ...scope, cause: request.cause, manifest }, tools);
      if (artifact === 'moved') return 'moved';
      outcomes.push(intentOutcome(intent, 'signed', { artifact }));
    } catch (error) {
      if (!isAutosignError(error)) throw error;
      errors.push(error);
      outcomes.push(
        intentOutcome(intent, error.kind === 'surroundings' ? 'waiting' : 'failed', { reason: error.message }),
      );
    }
  }
  const superseded = request.eventDigest !== undefined && request.eventDigest !== subject.digest;
  return { outcome: { status: 'examined', digest: subject.digest, superseded, intents: outcomes }, errors };
}

async function resolveTag(
  { repository, tag }: SignImageRequest,
  { resolve }: SignImageTools,
): Promise<FetchedManifest | undefined> {
  try {
    return await resolve(repository, tag);
  } catch (error) {
    if (isAutosignError(error, 'not-found')) return undefined;
    throw error;
  }
}

interface Demands {
  readonly demands: readonly { readonly rule: Rule; readonly signingKey: SigningKey }[];
  /** What needs no signature, or cannot have one now. */
  readonly settled: readonly IntentOutcome[];
}

/** Separates what is to be signed from what is only watched, stood before its rule, or has to wait. */
async function decideDemands(rules: readonly Rule[], scope: IntentScope, tools: SignImageTools): Promise<Demands> {
  const demands: { rule: Rule; signingKey: SigningKey }[] = [];
  const settled: IntentOutcome[] = [];
  for (const rule of rules) {
    const settle = (status: IntentStatus, reason: string) => {
      for (const format of rule.formats) settled.push({ rules: [rule.name], key: rule.key, format, status, reason });
    };
    const standing = await standingOf(rule, scope, tools);
    const key = tools.keyRing.get(rule.key);
    if (standing === 'preparing')
      settle('waiting', `Rule ${rule.name} is preparing: the walk over what stood before it runs.`);
    else if (standing === 'existing')
      settle('existing', `It stood before rule ${rule.name}; existing: ignore leaves it unsigned.`);
    else if (rule.state === 'audit') settle('audit', `Rule ${rule.name} is in state audit; it would be signed.`);
    else if (key.state === 'paused') settle('waiting', `Key ${rule.key} is paused: ${key.reason}`);
    else demands.push({ rule, signingKey: key.signingKey });
  }
  return { demands, settled };
}

async function standingOf(
  rule: Rule,
  { registry, repository, tag, subject }: IntentScope,
  { baseline, ruleSet }: SignImageTools,
): Promise<'new' | 'existing' | 'preparing'> {
  if (rule.existing === 'sign') return 'new';
  const identity = ruleIdentity(ruleSet, rule);
  if (!(await baseline.isComplete(identity, registry.name))) return 'preparing';
  const image = { registry: registry.name, repository, tag };
  return (await baseline.contains(identity, image, subject.digest)) ? 'existing' : 'new';
}

function ended(
  status: 'gone' | 'not-an-image' | 'denied' | 'no-rule',
  reason: string,
  digest?: Digest,
): SignImageResult {
  return { outcome: { status, reason, ...(digest && { digest }) }, errors: [] };
}

function intentOutcome(
  { rules, signingKey, format }: Intent,
  status: IntentStatus,
  more: Pick<IntentOutcome, 'artifact' | 'reason'>,
): IntentOutcome {
  return { rules: rules.map((rule) => rule.name), key: signingKey.key.name, format, status, ...more };
}
