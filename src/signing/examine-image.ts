import type { Descriptor, FetchedManifest } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import { isSignatureTag } from '../domain/signature-tag.ts';
import type { BaselineStore, Standing } from '../ports/baseline.ts';
import type { SignaturePlace } from '../ports/signature-store.ts';
import { deniedBy, matchRules } from '../rules/match.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Registry, Rule, RuleSet } from '../rules/rule-set.ts';
import { findSignature } from '../verification/find-signature.ts';
import { type ListSignatures, listOnce } from '../verification/list-once.ts';
import { classifyManifest } from './classify-manifest.ts';
import { type Demand, type Intent, type IntentScope, intentsOf } from './intent.ts';
import {
  type ImageOutcome,
  type IntentFailure,
  type IntentOutcome,
  type IntentStatus,
  intentOutcome,
} from './outcome.ts';
import { formatOf, type ProduceSignatureTools } from './produce-signature.ts';
import type { KeyRing } from './signing-key.ts';

export interface ExamineImageRequest {
  readonly registry: Registry;
  readonly repository: string;
  readonly tag: string;
}

export interface ExamineImageTools
  extends Pick<ProduceSignatureTools, 'stores' | 'formats' | 'clock' | 'resolve' | 'reached'> {
  /** One state of the rules and its keys. */
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly baseline: Pick<BaselineStore, 'standing'>;
}

/** An entry of a list whose signature is not there any more. */
export interface ListedButGone {
  readonly place: SignaturePlace;
  readonly descriptor: Descriptor;
}

/** What the rules demand of one tag, held against what the registry has. */
export type Examination =
  | { readonly ended: Exclude<ImageOutcome, { readonly status: 'examined' }> }
  | {
      readonly ended?: undefined;
      readonly scope: IntentScope;
      readonly manifest: FetchedManifest;
      /** What needs no signature, has it already, or cannot be looked at. */
      readonly settled: readonly IntentOutcome[];
      readonly missing: readonly Intent[];
      /** Signatures that may be ours and are listed, but not there any more. */
      readonly gone: readonly ListedButGone[];
      /** Of the intents among `settled` that could not be looked at. */
      readonly failures: readonly IntentFailure[];
    };

/**
 * Steps 5 to 7 of a push (src/README.md): what the tag points at now, which rules want it, which signatures are there.
 * Changes nothing.
 * @throws AutosignError for what stops all intents alike: the registry, the rules, Redis
 */
export async function examineImage(request: ExamineImageRequest, tools: ExamineImageTools): Promise<Examination> {
  const { registry, repository, tag } = request;

  // A job may come from anywhere, so what the receiver drops is dropped here too: signatures are never signed.
  if (isSignatureTag(tag)) return ended('not-an-image', `${tag} is a tag of a signature or of a list of them.`);

  // Step 5: what does the tag point at, by the bytes that we hash ourselves?
  tools.reached?.('step-5');
  const manifest = await resolveTag(request, tools);
  if (manifest === undefined) return ended('gone', `The registry has no ${repository}:${tag} any more.`);
  const subject = manifest.descriptor;
  const kind = classifyManifest(manifest);
  if (!kind.image) return ended('not-an-image', `It is not an image: ${kind.reason}.`, subject.digest);

  // Step 6: is it denied, and which rules want it?
  tools.reached?.('step-6');
  const denied = deniedBy(tools.ruleSet, [subject.digest, ...kind.children], tools.clock.now());
  if (denied !== undefined) {
    const reason = `${denied.digest} is on the deny list: ${denied.reason}.`;
    return { ended: { status: 'denied', reason, digest: subject.digest, deniedUntil: denied.until } };
  }
  const rules = matchRules(tools.ruleSet, { registry: registry.name, repository, tag });
  if (rules.length === 0) return ended('no-rule', 'No rule wants this image.', subject.digest);
  const scope = { registry, repository, tag, subject };
  const decided = await decideDemands(rules, scope, tools);

  // Step 7: which of the signatures are there already?
  tools.reached?.('step-7');
  const found = await lookForSignatures(intentsOf(decided.demands, scope), scope, tools);
  return { scope, manifest, ...found, settled: [...decided.settled, ...found.settled] };
}

async function resolveTag(
  { repository, tag }: ExamineImageRequest,
  { resolve }: ExamineImageTools,
): Promise<FetchedManifest | undefined> {
  try {
    return await resolve(repository, tag);
  } catch (error) {
    if (isAutosignError(error, 'not-found')) return undefined;
    throw error;
  }
}

interface Demands {
  readonly demands: readonly Demand[];
  readonly settled: readonly IntentOutcome[];
}

/** Separates what is to be signed from what is only watched, stood before its rule, or has to wait. */
async function decideDemands(rules: readonly Rule[], scope: IntentScope, tools: ExamineImageTools): Promise<Demands> {
  const demands: Demand[] = [];
  const settled: IntentOutcome[] = [];
  for (const rule of rules) {
    const standing = await standingOf(rule, scope, tools);
    for (const format of new Set(rule.formats)) {
      const settle = (status: IntentStatus, reason: string) => {
        settled.push({ rules: [rule.name], key: rule.key, format, status, reason });
      };
      const key = tools.keyRing.get(rule.key, format);
      if (standing === 'preparing') {
        settle('waiting', `Rule ${rule.name} is preparing: the walk over what stood before it runs.`);
      } else if (standing === 'existing') {
        settle('existing', `It stood before rule ${rule.name}; existing: ignore leaves it unsigned.`);
      } else if (rule.state === 'audit') {
        settle('audit', `Rule ${rule.name} is in state audit; it would be signed.`);
      } else if (key.state === 'paused') {
        settle('waiting', `Key ${rule.key} is paused: ${key.reason}`);
      } else demands.push({ rule, format, signingKey: key.signingKey });
    }
  }
  return { demands, settled };
}

async function standingOf(
  rule: Rule,
  { registry, repository, tag, subject }: IntentScope,
  { baseline, ruleSet }: ExamineImageTools,
): Promise<Standing> {
  if (rule.existing === 'sign') return 'new';
  const identity = ruleIdentity(ruleSet, rule);
  return baseline.standing(identity, { registry: registry.name, repository, tag }, subject.digest);
}

interface Findings {
  readonly settled: readonly IntentOutcome[];
  readonly missing: readonly Intent[];
  readonly gone: readonly ListedButGone[];
  readonly failures: readonly IntentFailure[];
}

/**
 * Each place is listed once for all intents; one intent that cannot be looked at, or one place whose list cannot be
 * read, does not stop the others.
 */
async function lookForSignatures(
  intents: readonly Intent[],
  { repository, subject }: IntentScope,
  tools: ExamineImageTools,
): Promise<Findings> {
  const settled: IntentOutcome[] = [];
  const missing: Intent[] = [];
  const gone: ListedButGone[] = [];
  const failures: IntentFailure[] = [];
  const list = listOnce(tools.stores, repository, subject.digest);
  const fail = (intent: Intent, error: AutosignError) => {
    failures.push({ key: intent.signingKey.key.name, error });
    settled.push(intentOutcome(intent, 'failed', { reason: error.message, code: error.code }));
  };
  for (const intent of intents) {
    const format = formatOf(intent, tools);
    const listed = await listOrReason(list(format.place));
    if (listed instanceof AutosignError) {
      fail(intent, listed);
      continue;
    }
    try {
      const finding = await findSignature({
        store: tools.stores[format.place],
        listed,
        format,
        repository,
        subject,
        binding: intent.binding,
        trust: intent.signingKey.trust,
        now: tools.clock.now(),
        outliveMs: intent.signingKey.key.renewBeforeMs,
      });
      gone.push(...finding.gone.map((descriptor) => ({ place: format.place, descriptor })));
      if (finding.found === undefined) missing.push(intent);
      else {
        const { descriptor, version } = finding.found;
        const more = { artifact: descriptor.digest, certificateEnds: version.notAfter };
        settled.push(intentOutcome(intent, 'already-signed', more));
      }
    } catch (error) {
      if (!isAutosignError(error)) throw error;
      fail(intent, error);
    }
  }
  return { settled, missing, gone, failures };
}

/** A list that cannot be read is the matter of its place alone; a registry that fails stops everything. */
async function listOrReason(list: ReturnType<ListSignatures>): Promise<readonly Descriptor[] | AutosignError> {
  try {
    return await list;
  } catch (error) {
    if (isAutosignError(error, 'referrers-incomplete')) return error;
    throw error;
  }
}

function ended(status: 'gone' | 'not-an-image' | 'no-rule', reason: string, digest?: Digest): Examination {
  return { ended: { status, reason, ...(digest && { digest }) } };
}
