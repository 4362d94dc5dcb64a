import type { Digest } from '../domain/digest.ts';
import { isSignatureTag } from '../domain/signature-tag.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { coversRepository, selectsTag } from '../rules/match.ts';
import type { Rule } from '../rules/rule-set.ts';

/** One tag as a walk found it, and the rules that select it. */
export interface WalkedTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  readonly rules: readonly Rule[];
}

export interface WalkOptions {
  readonly client: Pick<RegistryClient, 'listRepositories' | 'listTags' | 'headManifest'>;
  readonly rules: readonly Rule[];
  /** Tags looked up at once. */
  readonly concurrency: number;
  /** Ends the walk between and during requests. */
  readonly signal: AbortSignal;
}

type Candidate = Omit<WalkedTag, 'digest'>;

/**
 * Walks every tag of one registry that at least one of `rules` selects, with what it points at. Signature tags, and
 * tags that vanish on the way, are left out.
 * @throws AutosignError `registry-*` at the first list or tag that cannot be read; the reason of an aborted signal
 */
export async function* walkRegistry(options: WalkOptions): AsyncIterable<WalkedTag> {
  const { client, rules, concurrency, signal } = options;
  for await (const repository of candidateRepositories(options)) {
    signal.throwIfAborted();
    const covering = rules.filter((rule) => coversRepository(rule, repository));
    if (covering.length === 0) continue;
    // Names, not requests under way: one that failed while the next page is fetched would have nobody to hear of it.
    let batch: Candidate[] = [];
    for await (const tag of client.listTags(repository, { signal })) {
      const selecting = covering.filter((rule) => selectsTag(rule, tag));
      if (selecting.length === 0 || isSignatureTag(tag)) continue;
      batch.push({ repository, tag, rules: selecting });
      if (batch.length < concurrency) continue;
      yield* await lookUp(batch, options);
      batch = [];
    }
    yield* await lookUp(batch, options);
  }
}

/** Whether a walk for this rule has to ask for the catalogue; many registries do not give theirs out. */
export function needsCatalogue(rule: Rule): boolean {
  return namedRepositories(rule) === undefined;
}

async function lookUp(
  candidates: readonly Candidate[],
  { client, signal }: WalkOptions,
): Promise<readonly WalkedTag[]> {
  const found = await Promise.all(
    candidates.map(async (candidate) => {
      const digest = await client.headManifest(candidate.repository, candidate.tag, { signal });
      return digest === undefined ? undefined : { ...candidate, digest };
    }),
  );
  return found.filter((tag) => tag !== undefined);
}

async function* candidateRepositories({ client, rules, signal }: WalkOptions): AsyncIterable<string> {
  if (rules.some(needsCatalogue)) yield* client.listRepositories({ signal });
  else yield* new Set(rules.flatMap((rule) => namedRepositories(rule) ?? []));
}

/** The repositories of a rule that names them without wildcards. */
function namedRepositories({ namespaces, repositories }: Rule): readonly string[] | undefined {
  const names = [...(namespaces?.include ?? ['*']), ...(repositories?.include ?? ['*'])];
  if (names.some((name) => name.includes('*'))) return undefined;
  return (namespaces?.include ?? []).flatMap((namespace) =>
    (repositories?.include ?? []).map((repository) => `${namespace}/${repository}`),
  );
}
