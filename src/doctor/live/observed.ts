import type { Digest } from '../../domain/digest.ts';
import type { CapturedDelivery } from '../../ports/delivery-capture.ts';
import type { Registry } from '../../rules/rule-set.ts';
import type { Put } from './record-puts.ts';

/** How the signatures of the scratch image are listed. */
export interface SeenListing {
  /** Undefined where there is no such API. */
  readonly byApi: readonly Digest[] | undefined;
  readonly byFallbackTag: readonly Digest[] | undefined;
  readonly byCosignTag: boolean;
}

/** A page of ListRepoTag as it came. */
interface SeenTagList {
  readonly total: unknown;
  readonly images: readonly Readonly<Record<string, unknown>>[];
}

/** What a run has seen so far; what it did not come to is undefined. */
export interface Observed {
  readonly registry: Registry;
  readonly repository: string;
  /** The scratch image's tag, which no other image has. */
  readonly tag: string;
  readonly waitSeconds: number;
  readonly puts: readonly Put[];
  image?: Digest;
  /** An image that was pushed without a tag. */
  untagged?: Digest;
  deliveries: readonly CapturedDelivery[];
  /** What became of each signature: undefined when it was taken and found again, else the reason. */
  signatures: readonly (string | undefined)[];
  listing?: SeenListing;
  catalog?: string;
  tagList?: SeenTagList;
  tagsAreImmutable?: boolean;
  /** The types of the triggers that stand on the repository. */
  triggerTypes?: readonly string[];
  /** What became of a trigger of each type that was tried. */
  triedTriggers: readonly { readonly type: string; readonly outcome: string }[];
  /** What the registry answered to the deletion of the image. */
  deletion?: string;
  /** Whether a signature was there after its image had been deleted. */
  signatureOutlivesImage?: boolean;
}
