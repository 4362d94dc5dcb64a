import type { Digest } from '../domain/digest.ts';
import { type AutosignError, isAutosignError } from '../domain/errors.ts';
import { isSignatureTag } from '../domain/signature-tag.ts';
import type { ListedTag, RegistryListing } from '../ports/registry-listing.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { coversNamespace, coversRepository, selectsTag } from '../rules/match.ts';
import type { Rule } from '../rules/rule-set.ts';

/** One tag as a walk found it, and the rules that select it. */
export interface WalkedTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
  /** When it was pushed last; undefined where the registry does not tell. */
  readonly pushedAt: ListedTag['pushedAt'];
  readonly rules: readonly Rule[];
}

export interface WalkTagsOptions {
  readonly listing: RegistryListing;
  readonly rules: readonly Rule[];
  /** Ends the walk between and during requests. */
  readonly signal: AbortSignal;
  /**
   * Told of a repository whose tags this login may not list, which is then passed over. Absent: it ends the walk, as
   * a list that leaves something out looks complete.
   */
  readonly onUnlisted?: ((repository: string, error: AutosignError) => void) | undefined;
  /** Whether a repository is left out, so that its tags are not even listed. */
  readonly passOver?: ((repository: string) => boolean) | undefined;
}

export interface WalkOptions extends WalkTagsOptions {
  readonly client: Pick<RegistryClient, 'headManifest'>;
  /** Tags looked up at once. */
  readonly concurrency: number;
}

/** The name of a tag, and the rules that select it. */
export type NamedTag = Omit<WalkedTag, 'digest'>;

/**
 * Walks every tag of one registry that at least one of `rules` selects, with what it points at. Signature tags, and
 * tags that vanish on the way, are left out.
 * @throws AutosignError `registry-*` at the first list or tag that cannot be read; the reason of an aborted signal
 */
export async function* walkRegistry(options: WalkOptions): AsyncIterable<WalkedTag> {
  for await (const batch of inBatches(walkTags(options), options.concurrency)) yield* await lookUp(batch, options);
}

/**
 * Walks the names alone: every tag of one registry that at least one of `rules` selects, one repository after the
 * other. Nothing is asked of the tags.
 * @throws like `walkRegistry`
 */
export async function* walkTags(options: WalkTagsOptions): AsyncIterable<NamedTag> {
  const { rules, signal, onUnlisted, passOver } = options;
  for await (const repository of candidateRepositories(options)) {
    signal.throwIfAborted();
    if (passOver?.(repository)) continue;
    const covering = rules.filter((rule) => coversRepository(rule, repository));
    if (covering.length === 0) continue;
    try {
      yield* selectedTags(repository, covering, options);
    } catch (error) {
      if (onUnlisted === undefined || !isAutosignError(error, 'registry-denied')) throw error;
      onUnlisted(repository, error);
    }
  }
}

/**
 * What `source` gives, `size` at a time. Names are gathered, not requests under way: one that failed while the next
 * page is fetched would have nobody to hear of it.
 */
export async function* inBatches<T>(source: AsyncIterable<T>, size: number): AsyncIterable<readonly T[]> {
  let batch: T[] = [];
  try {
    for await (const item of source) {
      batch.push(item);
      if (batch.length < size) continue;
      yield batch;
      batch = [];
    }
  } catch (error) {
    // What was found before the source failed is still given out; then it fails.
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;
}

async function* selectedTags(
  repository: string,
  covering: readonly Rule[],
  { listing, signal }: WalkTagsOptions,
): AsyncIterable<NamedTag> {
  for await (const { name: tag, pushedAt } of listing.listTags(repository, { signal })) {
    const selecting = covering.filter((rule) => selectsTag(rule, tag));
    if (selecting.length > 0 && !isSignatureTag(tag)) yield { repository, tag, pushedAt, rules: selecting };
  }
}

/** Whether a walk for this rule has to ask for the catalogue; many registries do not give theirs out. */
export function needsCatalogue(rule: Rule): boolean {
  return namedRepositories(rule) === undefined;
}

async function lookUp(candidates: readonly NamedTag[], { client, signal }: WalkOptions): Promise<readonly WalkedTag[]> {
  const found = await Promise.all(
    candidates.map(async (candidate) => {
      const digest = await client.headManifest(candidate.repository, candidate.tag, { signal });
      return digest === undefined ? undefined : { ...candidate, digest };
    }),
  );
  return found.filter((tag) => tag !== undefined);
}

/**
 * Each repository once, and those that rules name first: a catalogue that is refused, or ends early, must not keep
 * from us what can be had without it.
 */
async function* candidateRepositories({ listing, rules, signal }: WalkTagsOptions): AsyncIterable<string> {
  const named = new Set(rules.flatMap((rule) => namedRepositories(rule) ?? []));
  yield* named;
  if (!rules.some(needsCatalogue)) return;
  const wants = (namespace: string | undefined) =>
    rules.some((rule) => (namespace === undefined ? rule.namespaces === undefined : coversNamespace(rule, namespace)));
  for await (const repository of listing.listRepositories(wants, { signal })) {
    if (!named.has(repository)) yield repository;
  }
}

/** The repositories of a rule that names them without wildcards. */
function namedRepositories({ namespaces, repositories }: Rule): readonly string[] | undefined {
  const names = [...(namespaces?.include ?? ['*']), ...(repositories?.include ?? ['*'])];
  if (names.some((name) => name.includes('*'))) return undefined;
  return (namespaces?.include ?? []).flatMap((namespace) =>
    (repositories?.include ?? []).map((repository) => `${namespace}/${repository}`),
  );
}
