import type { AutosignError } from '../domain/errors.ts';
import type { TaggedImage } from '../ports/baseline.ts';
import type { Clock } from '../ports/clock.ts';
import type { RuleSet } from '../rules/rule-set.ts';
import { type Examination, type ExamineImageTools, examineImage } from '../signing/examine-image.ts';
import type { Intent } from '../signing/intent.ts';
import type { KeyRing } from '../signing/signing-key.ts';
import { imageCreated } from './image-created.ts';
import type { RegistryToWalk } from './reconcile.ts';

/** An image that lacks signatures which the chosen rules demand. */
interface UnsignedImage {
  readonly image: TaggedImage;
  readonly scope: (Examination & { readonly ended?: undefined })['scope'];
  readonly missing: readonly Intent[];
}

/** What became of an image that lacks a signature: a job, none when nothing is to be changed, or why it waits. */
type Taken = { readonly job: string | undefined } | { readonly waits: string };

export interface LookAtImageOptions {
  readonly access: RegistryToWalk;
  /** With the chosen rules alone. */
  readonly ruleSet: RuleSet;
  readonly keyRing: KeyRing;
  readonly formats: ExamineImageTools['formats'];
  readonly clock: Clock;
  /** What was pushed before this is skipped, or built before it where the registry tells no push times. */
  readonly since: Date | undefined;
  /** Takes one of the places of a limit; false when there is none left. */
  readonly mayTake: () => boolean;
  readonly take: (unsigned: UnsignedImage) => Promise<Taken>;
  readonly signal: AbortSignal;
}

/** What a backfill found out about an image. */
export type Looked =
  /** It has a job; `waits` when it lacks more than the job can do now. */
  | { readonly kind: 'queued'; readonly job: string | undefined; readonly undated: boolean; readonly waits?: string }
  | { readonly kind: 'skipped'; readonly because: 'signed' | 'older' | 'not-wanted' }
  | { readonly kind: 'waiting'; readonly waits: string }
  | { readonly kind: 'unread'; readonly error?: AutosignError }
  /** It was not dealt with: the limit is reached, or somebody stopped it. */
  | { readonly kind: 'beyond' };

/** As if nothing had stood before any rule. */
const nothingStood: ExamineImageTools['baseline'] = { standing: async () => 'new' };

/**
 * What one tag lacks of what the chosen rules demand, whatever their `existing` says; then a job for it.
 * @param pushedAt when the tag was pushed last, where the registry tells
 * @throws AutosignError when it cannot be looked at: `registry-*`, `redis-unreachable` …
 */
export async function lookAtImage(image: TaggedImage, options: LookAtImageOptions, pushedAt?: Date): Promise<Looked> {
  const { access, since, signal } = options;
  const { registry, client, stores } = access;
  const { repository, tag } = image;
  const resolve = (of: string, reference: string) => client.getManifest(of, reference, { signal });
  const tools = { ...options, baseline: nothingStood, stores, resolve };
  const examined = await examineImage({ registry, repository, tag }, tools);
  if (examined.ended !== undefined) return { kind: 'skipped', because: 'not-wanted' };
  const waits = examined.settled.find(({ status }) => status === 'waiting')?.reason;
  if (examined.missing.length + examined.gone.length === 0) {
    const [failure] = examined.failures;
    if (failure !== undefined) return { kind: 'unread', error: failure.error };
    return waits === undefined ? { kind: 'skipped', because: 'signed' } : { kind: 'waiting', waits };
  }

  // Only now, as it costs requests: most of a registry is signed before long.
  const created = since && (pushedAt ?? (await imageCreated(examined.manifest, { client, repository, signal })));
  if (since !== undefined && created !== undefined && created < since) return { kind: 'skipped', because: 'older' };

  if (!options.mayTake()) return { kind: 'beyond' };
  const taken = await options.take({ image, scope: examined.scope, missing: examined.missing });
  if ('waits' in taken) return { kind: 'waiting', waits: taken.waits };
  const undated = since !== undefined && created === undefined;
  return { kind: 'queued', job: taken.job, undated, ...(waits !== undefined && { waits }) };
}
