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
}

/**
 * Walks every tag of one registry that at least one of `rules` selects, with what it points at. Signature tags, and
 * tags that vanish on the way, are left out.
 */
export async function* walkRegistry({ client, rules, concurrency }: WalkOptions): AsyncIterable<WalkedTag> {
  for await (const repository of candidateRepositories(client, rules)) {
    const covering = rules.filter((rule) => coversRepository(rule, repository));
    if (covering.length === 0) continue;
    let batch: Promise<WalkedTag | undefined>[] = [];
    for await (const tag of client.listTags(repository)) {
      const selecting = covering.filter((rule) => selectsTag(rule, tag));
      if (selecting.length === 0 || isSignatureTag(tag)) continue;
      batch.push(lookUp(client, repository, tag, selecting));
      if (batch.length < concurrency) continue;
      yield* present(await Promise.all(batch));
      batch = [];
    }
    yield* present(await Promise.all(batch));
  }
}

async function lookUp(
  client: WalkOptions['client'],
  repository: string,
  tag: string,
  rules: readonly Rule[],
): Promise<WalkedTag | undefined> {
  const digest = await client.headManifest(repository, tag);
  return digest === undefined ? undefined : { repository, tag, digest, rules };
}

function present(found: readonly (WalkedTag | undefined)[]): WalkedTag[] {
  return found.filter((tag) => tag !== undefined);
}

/** Rules that name their repositories without wildcards need no catalogue, which many registries do not give out. */
async function* candidateRepositories(client: WalkOptions['client'], rules: readonly Rule[]): AsyncIterable<string> {
  const named = rules.map(namedRepositories);
  if (named.every((repositories) => repositories !== undefined)) yield* new Set(named.flat());
  else yield* client.listRepositories();
}

function namedRepositories({ namespaces, repositories }: Rule): readonly string[] | undefined {
  const names = [...(namespaces?.include ?? ['*']), ...(repositories?.include ?? ['*'])];
  if (names.some((name) => name.includes('*'))) return undefined;
  return (namespaces?.include ?? []).flatMap((namespace) =>
    (repositories?.include ?? []).map((repository) => `${namespace}/${repository}`),
  );
}
