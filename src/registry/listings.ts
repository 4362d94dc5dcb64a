import { z } from 'zod';
import { AutosignError } from '../domain/errors.ts';
import { isRepository, isTag } from '../domain/image-reference.ts';
import { type CallOptions, catalogScope, pullScope, type RegistryContext, refusal, repositoryUrl } from './exchange.ts';
import { parseJson } from './json.ts';
import { nextLink } from './link-header.ts';
import { resolveOnSameOrigin } from './target-check.ts';
import type { HttpAnswer } from './transport.ts';

export interface ListingOperations {
  /** Every repository, by Docker's `/v2/_catalog`, which is no part of the distribution specification: not every registry has it. */
  listRepositories(options?: CallOptions): AsyncIterable<string>;
  /** Every tag, signature tags included; none for a repository that is not there. */
  listTags(repository: string, options?: CallOptions): AsyncIterable<string>;
}

const Catalog = z.object({ repositories: z.array(z.string().refine(isRepository)).nullable() });
const TagList = z.object({ tags: z.array(z.string().refine(isTag)).nullish() });

export function createListings(context: RegistryContext): ListingOperations {
  return {
    listRepositories(options = {}) {
      const about = `GET ${context.host}/v2/_catalog`;
      const read = (answer: HttpAnswer): readonly string[] => {
        if (answer.status !== 200) throw refusal(answer, about);
        return parse(Catalog, answer, about).repositories ?? [];
      };
      const url = new URL('/v2/_catalog', context.origin);
      return names(context, { url, scope: catalogScope, about, read, givesAllAtOnce: false, signal: options.signal });
    },

    listTags(repository, options = {}) {
      const about = `GET ${context.host}/${repository} tags`;
      const read = (answer: HttpAnswer): readonly string[] => {
        if (answer.status === 404) return [];
        if (answer.status !== 200) throw refusal(answer, about);
        return parse(TagList, answer, about).tags ?? [];
      };
      const url = repositoryUrl(context, repository, 'tags/list');
      return names(context, {
        url,
        scope: pullScope(repository),
        about,
        read,
        givesAllAtOnce: true,
        signal: options.signal,
      });
    },
  };
}

interface Listing extends CallOptions {
  readonly url: URL;
  readonly scope: string;
  readonly about: string;
  readonly read: (answer: HttpAnswer) => readonly string[];
  /** Whether a full page that comes again may be all there is; otherwise it is a list that cannot be paged. */
  readonly givesAllAtOnce: boolean;
}

/** The names of all pages, each once: a registry may repeat itself. */
async function* names(context: RegistryContext, listing: Listing): AsyncGenerator<string> {
  const { limits, send } = context;
  const { scope, about, signal } = listing;
  const seen = new Set<string>();
  let url: URL | undefined = withQuery(listing.url, { n: `${limits.listPageSize}` });
  for (let page = 0; page < limits.listPagesMax; page += 1) {
    const headers = { accept: 'application/json' };
    const answer = await send({ method: 'GET', url, headers, about, bytesMax: limits.listBytesMax, signal }, scope);
    const found = listing.read(answer);
    const fresh = found.filter((name) => !seen.has(name));
    for (const name of fresh) seen.add(name);
    if (seen.size > limits.listNamesMax) {
      throw new AutosignError('registry-protocol', `${about}: the list has more than ${limits.listNamesMax} names`);
    }
    yield* fresh;
    const link = nextLink(answer.header('link'));
    url =
      link === undefined
        ? pageAfter(listing, found, fresh, limits.listPageSize)
        : resolveOnSameOrigin(link, url, about);
    if (url === undefined) return;
  }
  throw new AutosignError('registry-protocol', `${about}: the list does not end after ${limits.listPagesMax} pages`);
}

/**
 * `Link` is optional (distribution-spec, "Listing Tags"), so a full page without one may have a successor, which is
 * asked for by the last name. A page of another size is the last one: shorter, or from a registry that gives all it
 * has at once, as docker-registry does with tags.
 */
function pageAfter(
  { url, about, givesAllAtOnce }: Listing,
  found: readonly string[],
  fresh: readonly string[],
  pageSize: number,
): URL | undefined {
  const last = found.at(-1);
  if (found.length !== pageSize || last === undefined) return undefined;
  if (fresh.length > 0) return withQuery(url, { n: `${pageSize}`, last });
  if (givesAllAtOnce) return undefined;
  throw new AutosignError(
    'registry-protocol',
    `${about}: the registry lists ${pageSize} names and repeats them when asked for more`,
  );
}

function withQuery(url: URL, query: Readonly<Record<string, string>>): URL {
  const target = new URL(url);
  target.search = new URLSearchParams(query).toString();
  return target;
}

/** A name that no request could be made for is an error: a listing that leaves something out looks complete. */
function parse<T>(schema: z.ZodType<T>, answer: HttpAnswer, about: string): T {
  const parsed = schema.safeParse(parseJson(answer.bytes));
  if (parsed.success) return parsed.data;
  throw new AutosignError('registry-protocol', `${about}: the answer is no list of names`, { cause: parsed.error });
}
