import type { Digest } from '../domain/digest.ts';

/** One image as a tag named it. */
export interface TaggedImage {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

/** What stood in a registry before a rule with `existing: ignore` was first seen. */
export interface BaselineStore {
  /** Whether the walk of this rule over this registry is complete. */
  isComplete(ruleIdentity: string, registry: string): Promise<boolean>;
  /** Whether this very digest stood under this tag before the rule. */
  contains(ruleIdentity: string, image: TaggedImage, digest: Digest): Promise<boolean>;
  /** Enters what the walk found. */
  enter(ruleIdentity: string, image: TaggedImage, digest: Digest): Promise<void>;
  /** Takes out every tag whose push was announced while the walk ran, and marks the baseline complete. */
  complete(ruleIdentity: string, registry: string): Promise<void>;
  /** The images of a complete baseline, as `repository:tag` and digest, for the report. */
  entries(ruleIdentity: string, registry: string): AsyncIterable<readonly [string, Digest]>;
}

/** Pushes that were announced and are not finished yet; a walk that comes later leaves them out of the baseline. */
export interface PushMarks {
  /** Marks the tag with a value of its own, before the job is queued. */
  mark(image: TaggedImage): Promise<void>;
  /** The value of the mark, or undefined when no push is under way. */
  read(image: TaggedImage): Promise<string | undefined>;
  /** Takes the mark away when the job has ended, unless a newer push has replaced `value`. */
  clear(image: TaggedImage, value: string): Promise<void>;
}
