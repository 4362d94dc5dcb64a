import type { FetchedManifest } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import { type ErrorCode, isAutosignError, nextStepOf } from '../domain/errors.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { Registry, Rule } from '../rules/rule-set.ts';
import { type Examination, type ExamineImageTools, examineImage } from '../signing/examine-image.ts';
import { coveringRules } from './covering-rules.ts';
import { signatureStatus } from './demanded-signature.ts';
import type { QueueView, SignatureStatus, StatusScope } from './signature-status.ts';

export interface ImageStatusRequest {
  readonly registry: Registry;
  readonly repository: string;
  readonly tag: string | undefined;
  /** With a tag: that digest is looked at, wherever the tag points. */
  readonly digest: Digest | undefined;
}

export interface ImageStatusTools
  extends Pick<ExamineImageTools, 'ruleSet' | 'keyRing' | 'stores' | 'formats' | 'clock'> {
  readonly client: Pick<RegistryClient, 'getManifest' | 'headManifest'>;
  /** Undefined when nobody said where Redis is. */
  readonly queue: QueueView | undefined;
}

/** Where an image stands. */
export interface ImageStatus {
  readonly verdict: 'valid' | 'not-signed' | 'failed' | 'unknown' | 'no-rule' | 'denied' | 'gone' | 'not-an-image';
  readonly digest?: Digest | undefined;
  readonly reason?: string | undefined;
  /** Of what kept the registry from being asked. */
  readonly code?: ErrorCode | undefined;
  /** When the image is denied for a time. */
  readonly deniedUntil?: Date | undefined;
  /** One sentence. */
  readonly nextStep: string;
  /** One for each rule that covers the image and each of its formats. */
  readonly signatures: readonly SignatureStatus[];
  /** The rules that do not cover it, and why. */
  readonly notWanted: readonly { readonly rule: string; readonly reasons: readonly string[] }[];
}

/**
 * Asks the registry what the image bears, and the queue only about what it lacks. Changes nothing, and needs no key but
 * its public part.
 */
export async function imageStatus(request: ImageStatusRequest, tools: ImageStatusTools): Promise<ImageStatus> {
  const { covering, notWanted } = coveringRules(request, tools.ruleSet);
  if (covering.length === 0) {
    const nextStep = 'If it is to be signed, widen a rule; until then nothing happens.';
    return { verdict: 'no-rule', reason: 'no rule wants it', nextStep, signatures: [], notWanted };
  }
  try {
    return { ...(await lookAt(covering, request, tools)), notWanted };
  } catch (error) {
    if (!isAutosignError(error)) throw error;
    const { code, message } = error;
    return { verdict: 'unknown', reason: message, code, nextStep: nextStepOf(code), signatures: [], notWanted };
  }
}

async function lookAt(
  covering: readonly Rule[],
  request: ImageStatusRequest,
  tools: ImageStatusTools,
): Promise<Omit<ImageStatus, 'notWanted'>> {
  // At once, so that a job which ends meanwhile is seen either here or by its signature.
  const live = startLooking(request, tools.queue);
  const examined = await examine(covering, request, tools);
  if (examined.ended !== undefined) return { ...statusOfEnd(examined.ended), signatures: [] };
  const { digest } = examined.scope.subject;
  const scope: StatusScope = {
    registry: request.registry.name,
    repository: request.repository,
    tag: request.tag,
    digest,
    ruleSet: tools.ruleSet,
    keyRing: tools.keyRing,
    queue: tools.queue && askedOnce(tools.queue),
    live,
    beyondReach: await beyondReach(request, digest, tools.client),
    now: tools.clock.now(),
  };
  const signatures: SignatureStatus[] = [];
  for (const rule of covering) {
    for (const format of rule.formats) signatures.push(await signatureStatus({ rule, format }, examined, scope));
  }
  return { ...summaryOf(signatures), digest, signatures };
}

/** What is there counts, whatever the state of its rule and whatever stood before it. */
function examine(covering: readonly Rule[], request: ImageStatusRequest, tools: ImageStatusTools) {
  const { registry, repository, tag = '', digest } = request;
  const rules = covering.map((rule) => ({ ...rule, state: 'sign', existing: 'sign' }) as const);
  const resolve = (): Promise<FetchedManifest> => tools.client.getManifest(repository, digest ?? tag);
  return examineImage(
    { registry, repository, tag },
    { ...tools, ruleSet: { ...tools.ruleSet, rules }, baseline: notAsked, resolve },
  );
}

function statusOfEnd(ended: NonNullable<Examination['ended']>): Omit<ImageStatus, 'signatures' | 'notWanted'> {
  const { reason, digest } = ended;
  const about = { digest, reason };
  switch (ended.status) {
    case 'denied':
      return {
        ...about,
        verdict: 'denied',
        deniedUntil: ended.deniedUntil,
        nextStep: 'Push an image with another digest; this one is not signed while it is on the deny list.',
      };
    case 'gone':
      return { ...about, verdict: 'gone', nextStep: 'Push it, or correct the reference.' };
    case 'not-an-image':
      return { ...about, verdict: 'not-an-image', nextStep: 'Nothing: only images and indexes of them are signed.' };
    case 'no-rule':
      return { ...about, verdict: 'no-rule', nextStep: 'If it is to be signed, widen a rule.' };
  }
}

/** Why no job will sign this, whatever the rules say: only what a tag points at is signed. */
async function beyondReach(
  { repository, tag, digest }: ImageStatusRequest,
  found: Digest,
  client: ImageStatusTools['client'],
): Promise<SignatureStatus['beyondReach']> {
  if (tag === undefined) return 'no-tag';
  if (digest === undefined) return undefined;
  return (await client.headManifest(repository, tag)) === found ? undefined : 'moved-tag';
}

/** The verdict is that of the worst; what a rule in state audit lacks is nobody's demand. */
function summaryOf(signatures: readonly SignatureStatus[]): Pick<ImageStatus, 'verdict' | 'nextStep'> {
  const has = (...statuses: SignatureStatus['status'][]) => signatures.find(({ status }) => statuses.includes(status));
  const worst = has('unknown') ?? has('failed') ?? has('missing') ?? has('pending') ?? has('existing') ?? has('audit');
  const nextStep = (worst ?? has('valid'))?.nextStep ?? 'Nothing.';
  if (has('unknown')) return { verdict: 'unknown', nextStep };
  if (has('failed')) return { verdict: 'failed', nextStep };
  if (has('missing', 'pending', 'existing')) return { verdict: 'not-signed', nextStep };
  return { verdict: has('valid') ? 'valid' : 'no-rule', nextStep };
}

/** Several rules may ask for the dead letter of one image. */
function askedOnce(queue: QueueView): QueueView {
  let letter: ReturnType<QueueView['dead']> | undefined;
  return {
    ...queue,
    dead: (image) => {
      letter ??= queue.dead(image);
      return letter;
    },
  };
}

/** Never rejected: what is wrong with the queue is told beside what the registry says. */
function startLooking(
  { registry, repository, tag }: ImageStatusRequest,
  queue: QueueView | undefined,
): StatusScope['live'] {
  if (queue === undefined || tag === undefined) return Promise.resolve({});
  return queue.live({ registry: registry.name, repository, tag }).then(
    (job) => ({ job }),
    (error: unknown) => {
      if (isAutosignError(error)) return { error };
      throw error;
    },
  );
}

const notAsked: ExamineImageTools['baseline'] = {
  standing: () => Promise.reject(new Error('no rule asks for its baseline here')),
};
