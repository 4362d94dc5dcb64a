import type { Digest } from '../domain/digest.ts';

/** One image as a tag named it. */
export interface TaggedImage {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

/** Of an image and a rule; `preparing` while the baseline is not complete. */
export type Standing = 'new' | 'existing' | 'preparing';

/** What stood in a registry before a rule with `existing: ignore` was first seen. */
export interface BaselineStore {
  /** Whether the walk of this rule over this registry is complete. */
  isComplete(ruleIdentity: string, registry: string): Promise<boolean>;
  /** Whether this very digest stood under this tag before the rule, in one step: Redis may lose its data between two. */
  standing(ruleIdentity: string, image: TaggedImage, digest: Digest): Promise<Standing>;
  /** Begins a walk, or joins one that has begun and is not complete; answers what `complete` wants to know. */
  begin(ruleIdentity: string, registry: string): Promise<string>;
  /** Enters what the walk found. */
  enter(ruleIdentity: string, image: TaggedImage, digest: Digest): Promise<void>;
  /**
   * Takes out every tag whose push was announced while the walk ran, and marks the baseline complete. Answers false,
   * and does nothing, when the walk that `begin` named is gone: then what it entered first is gone too.
   */
  complete(ruleIdentity: string, registry: string, walk: string): Promise<boolean>;
  /**
   * Takes this very digest under this tag out of a complete baseline, because an operator wants it signed: from then
   * on it counts as new for the rule. Answers false, and does nothing, while the baseline is not complete.
   */
  admit(ruleIdentity: string, image: TaggedImage, digest: Digest): Promise<boolean>;
  /** The images of a complete baseline, as `repository:tag` and digest, for the report. */
  entries(ruleIdentity: string, registry: string): AsyncIterable<readonly [string, Digest]>;
}

/** One announced push. */
export interface PushMark {
  readonly value: string;
  readonly markedAt: Date;
  /** The rules by which the receiver took it. A worker with other rules has not dealt with it. */
  readonly rulesHash: string;
}

/**
 * Pushes that were announced and are not dealt with yet; a walk that comes later leaves them out of the baseline. One
 * whose job ran by other rules than the receiver's stays for an hour more, in case the receiver's were newer.
 */
export interface PushMarks {
  /** Marks the tag with a value of its own, before the job is queued; `rulesHash` names the rules that want it. */
  mark(image: TaggedImage, rulesHash: string): Promise<void>;
  /** The mark, or undefined when no push is under way. */
  read(image: TaggedImage): Promise<PushMark | undefined>;
  /** Takes the mark away when the job has ended, unless a newer push has replaced it. */
  clear(image: TaggedImage, mark: PushMark): Promise<void>;
}
