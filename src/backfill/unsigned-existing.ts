import type { Digest } from '../domain/digest.ts';
import type { BaselineStore } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import { ruleIdentity } from '../rules/rule-identity.ts';
import type { Rule, RuleSet } from '../rules/rule-set.ts';
import { type ExamineImageTools, examineImage } from '../signing/examine-image.ts';
import type { KeyRing } from '../signing/signing-key.ts';
import type { RegistryToWalk } from './reconcile.ts';
import { inBatches } from './walk-registry.ts';

export interface UnsignedExistingOptions {
  readonly rule: Rule;
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly access: RegistryToWalk;
  /** Complete for this rule and registry. */
  readonly baseline: BaselineStore;
  readonly formats: ExamineImageTools['formats'];
  readonly clock: Clock;
  /** Images looked at at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
}

/** An image that stood before a rule. */
export interface ExistingImage {
  /** `repository:tag` */
  readonly image: string;
  readonly digest: Digest;
  /** Why it could not be looked at, so that nobody knows whether it is signed. */
  readonly unknown?: string;
}

/**
 * What stood before a rule and does not bear the signatures that the rule would demand of it. After a loss of Redis
 * everything that stands is older than its rule, and most of it has been signed long ago.
 * @throws the reason of `signal` once it is aborted; AutosignError `redis-unreachable`
 */
export async function* unsignedExisting(options: UnsignedExistingOptions): AsyncIterable<ExistingImage> {
  const { rule, ruleSet, access, baseline, concurrency } = options;
  const entries = baseline.entries(ruleIdentity(ruleSet, rule), access.registry.name);
  for await (const batch of inBatches(entries, concurrency)) {
    const looked = await Promise.all(batch.map(([image, digest]) => lookAt(image, digest, options)));
    yield* looked.filter((image) => image !== undefined);
  }
}

async function lookAt(
  image: string,
  digest: Digest,
  { rule, ruleSet, access, signal, ...tools }: UnsignedExistingOptions,
): Promise<ExistingImage | undefined> {
  const { registry, client, stores } = access;
  const colon = image.lastIndexOf(':');
  const request = { registry, repository: image.slice(0, colon), tag: image.slice(colon + 1) };
  const resolve = (repository: string, tag: string) => client.getManifest(repository, tag, { signal });
  // The one rule, as if it signed and as if nothing had stood before it.
  const alone = { ...ruleSet, rules: [{ ...rule, state: 'sign', existing: 'sign' } as const] };
  try {
    const examined = await examineImage(request, { ...tools, ruleSet: alone, stores, resolve });
    if (examined.ended !== undefined) return undefined;
    // The tag points elsewhere by now, and what it points at is newer than the rule.
    if (examined.scope.subject.digest !== digest) return undefined;
    if (examined.missing.length > 0) return { image, digest };
    const open = examined.settled.find(({ status }) => status === 'waiting' || status === 'failed');
    return open === undefined ? undefined : { image, digest, unknown: open.reason ?? open.status };
  } catch (error) {
    signal.throwIfAborted();
    return { image, digest, unknown: error instanceof Error ? error.message : String(error) };
  }
}
