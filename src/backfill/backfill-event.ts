import type { BackfillCounts } from '../coordination/backfill-store.ts';
import type { DeadLetterCode } from '../queue/dead-letters.ts';

/** How far a backfill is. */
export interface BackfillProgress extends BackfillCounts {
  /** Of those queued: their jobs have not ended. */
  readonly pending: number;
  /** Cannot be judged or signed yet: the key is paused, or the rule is preparing. */
  readonly waiting: number;
  /** Could not be looked at; with repositories whose tags cannot be listed. */
  readonly unread: number;
}

/** What a backfill tells while it runs; `image` is `registry/repository:tag`. */
export type BackfillEvent =
  /** An unfinished run of the same selection is gone on with. */
  | { readonly step: 'resumed'; readonly startedAt: Date }
  /** A new run; `forgotten` is when the unfinished one began that it takes the place of. */
  | { readonly step: 'begun'; readonly forgotten: Date | undefined }
  /** Another process runs a backfill of the same selection, or has died a moment ago. */
  | { readonly step: 'occupied' }
  /** Of these rules it is not known yet what stood before them. */
  | { readonly step: 'preparing'; readonly rules: readonly { readonly rule: string; readonly registry: string }[] }
  | { readonly step: 'progress' }
  /** The walk has left this namespace behind; absent for images without one. */
  | { readonly step: 'namespace'; readonly registry: string; readonly namespace: string | undefined }
  /** Something could not be looked at, and the walk goes on. */
  | { readonly step: 'unread'; readonly place: string; readonly reason: string }
  /** An image waits, for a reason that was not told before. */
  | { readonly step: 'waiting'; readonly image: string; readonly reason: string }
  /** The walk over a registry ended early; the next one follows. */
  | { readonly step: 'broken-off'; readonly registry: string; readonly reason: string }
  | { readonly step: 'failed'; readonly image: string; readonly code: DeadLetterCode }
  /** The workers saw no need for a signature. */
  | { readonly step: 'left'; readonly image: string; readonly reason: string }
  /** Nothing that was queued has ended for a while. */
  | { readonly step: 'idle'; readonly pending: number; readonly forSeconds: number };

export type Tell = (event: BackfillEvent) => void;
