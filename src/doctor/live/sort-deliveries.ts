import { isTag } from '../../domain/image-reference.ts';
import type { CapturedDelivery } from '../../ports/delivery-capture.ts';
import { cosignTagOf } from '../../registry/cosign-tag.ts';
import { fallbackTag } from '../../registry/fallback-index.ts';
import type { Observed } from './observed.ts';

/** Which of our pushes a delivery tells of. */
export type Cause = 'image' | 'untagged image' | 'signature' | 'signature tag' | 'other';

/** A delivery with its body read, as far as it is JSON. */
export interface SortedDelivery {
  readonly delivery: CapturedDelivery;
  readonly cause: Cause;
  readonly body: unknown;
}

export function sortDeliveries(observed: Observed, door: CapturedDelivery['door']): readonly SortedDelivery[] {
  return observed.deliveries
    .filter((delivery) => delivery.door === door)
    .map((delivery) => ({ delivery, cause: causeOf(delivery.body, observed), body: parseOrNone(delivery.body) }));
}

/** By the names in it, wherever they stand: what the fields are called is what is to be found out. */
function causeOf(body: string, { image, untagged, tag, puts }: Observed): Cause {
  const has = (text: string) => body.includes(`"${text}"`);
  const hasDigest = (digest: string) => has(digest) || has(digest.slice('sha256:'.length));
  if (image !== undefined && (has(fallbackTag(image)) || has(cosignTagOf(image)))) return 'signature tag';
  if (has(tag)) return 'image';
  if (untagged !== undefined && hasDigest(untagged)) return 'untagged image';
  const signatures = puts.filter(({ reference, digest }) => !isTag(reference) && digest !== image);
  return signatures.some(({ digest }) => hasDigest(digest)) ? 'signature' : 'other';
}

function parseOrNone(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
