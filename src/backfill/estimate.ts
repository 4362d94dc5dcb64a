import type { Key } from '../rules/rule-set.ts';
import { type WalkSelectionOptions, walkSelection } from './walk-selection.ts';

/** What a backfill would do. */
export interface BackfillEstimate {
  /** Images that lack a signature. */
  readonly images: number;
  readonly signatures: number;
  /** Of those signatures: with keys in KMS. */
  readonly kmsCalls: number;
  /** At the quota of calls. */
  readonly seconds: number;
}

/**
 * Signatures a second: KMS grants an account 200 asymmetric calls a second on the shared gateway, and live pushes need
 * some of them.
 */
const kmsCallsPerSecond = 180;

/**
 * Walks like a backfill, and only counts. A signature that several tags or rules demand counts once.
 * @throws like `walkSelection`
 */
export async function estimateBackfill(options: Omit<WalkSelectionOptions, 'take'>) {
  const intents = new Map<string, Key['source']['kind']>();
  const errors = await walkSelection({
    ...options,
    take: async ({ missing }) => {
      for (const { id, signingKey } of missing) intents.set(id, signingKey.key.source.kind);
      return { job: undefined };
    },
  });
  const kmsCalls = [...intents.values()].filter((kind) => kind === 'kms').length;
  const estimate: BackfillEstimate = {
    images: options.run.progress().queued,
    signatures: intents.size,
    kmsCalls,
    seconds: Math.ceil(kmsCalls / kmsCallsPerSecond),
  };
  return { estimate, errors };
}
