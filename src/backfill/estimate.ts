import { quotaOf } from '../rules/quota-of.ts';
import type { Key } from '../rules/rule-set.ts';
import { type WalkSelectionOptions, walkSelection } from './walk-selection.ts';

/** What a backfill would do. */
export interface BackfillEstimate {
  /** Images that lack a signature. */
  readonly images: number;
  readonly signatures: number;
  /** Of those signatures: with keys in KMS. */
  readonly kmsCalls: number;
  /** At the quota of calls in a second; keys that none holds for count as nothing. */
  readonly seconds: number;
}

/**
 * Walks like a backfill, and only counts. A signature that several tags or rules demand counts once.
 * @throws like `walkSelection`
 */
export async function estimateBackfill(options: Omit<WalkSelectionOptions, 'take'>) {
  const intents = new Map<string, Key>();
  const errors = await walkSelection({
    ...options,
    take: async ({ missing }) => {
      for (const { id, signingKey } of missing) intents.set(id, signingKey.key);
      return { job: undefined };
    },
  });
  const calls = [...intents.values()].filter(({ source }) => source.kind === 'kms');
  const limited = calls.flatMap((key) => quotaOf(options.ruleSet, key) ?? []);
  // Accounts and regions are served side by side.
  const seconds = [...Map.groupBy(limited, ({ name }) => name).values()].map(
    (scopes) => scopes.length / (scopes[0]?.perSecond ?? 1),
  );
  const estimate: BackfillEstimate = {
    images: options.run.progress().queued,
    signatures: intents.size,
    kmsCalls: calls.length,
    seconds: Math.ceil(Math.max(0, ...seconds)),
  };
  return { estimate, errors };
}
