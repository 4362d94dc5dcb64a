import { z } from 'zod';
import { AutosignError } from '../domain/errors.ts';
import type { AcrApi } from './acr-api.ts';
import { count } from './acr-fields.ts';

export interface AcrList<Item> {
  readonly action: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** The field that holds the entries. */
  readonly field: string;
  readonly item: z.ZodType<Item>;
  /** What names an entry. */
  readonly keyOf: (item: Item) => string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Every entry of a list, each once, of all pages. Pages are asked for by number; where an answer holds a token for the
 * next one, by that. An entry that goes away while the list is read moves the others up, so that one of them stands on
 * no page: the list is then read anew. All pages are read before an entry is given out: whoever works on the entries
 * takes minutes, in which one may go away and another one come, so that the count does not tell.
 * @throws AutosignError as `AcrApi.call`; `registry-protocol` when the list does not end, or ends before what it counts
 */
export async function* listAll<Item>(api: AcrApi, list: AcrList<Item>): AsyncGenerator<Item> {
  const found: Item[] = [];
  try {
    for await (const item of readPages(api, list)) found.push(item);
  } catch (error) {
    // What was found before the list failed is still given out; then it fails.
    if (!list.signal?.aborted) yield* found;
    throw error;
  }
  yield* found;
}

async function* readPages<Item>(api: AcrApi, list: AcrList<Item>): AsyncGenerator<Item> {
  const { action, keyOf, signal } = list;
  const { pageSize, pagesMax, restartsMax } = api.limits;
  const schema = pageSchema(list);
  const given = new Set<string>();
  let pass = beginPass();
  for (let pages = 0, restarts = 0; pages < pagesMax; pages += 1) {
    signal?.throwIfAborted();
    const query = { ...list.query, ...positionOf(pass, pageSize) };
    const page = await api.call(action, schema, { query, signal });
    const fresh = page.items.filter((item) => !given.has(keyOf(item)));
    for (const item of page.items) {
      given.add(keyOf(item));
      pass.seen.add(keyOf(item));
    }
    yield* fresh;
    const next = afterPage(pass, page);
    if (next === 'end') {
      const least = pass.firstTotal ?? page.total ?? 0;
      if (pass.seen.size >= least) return;
      throw fault(api, action, `${least} entries are counted and ${pass.seen.size} listed`);
    }
    if (next === 'restart') restarts += 1;
    if (restarts > restartsMax) throw fault(api, action, 'entries keep going away while the list is read');
    pass = next === 'restart' ? beginPass() : next;
  }
  throw fault(api, action, `the list does not end after ${pagesMax} pages`);
}

interface Page<Item> {
  readonly items: readonly Item[];
  /** Entries of the whole list. */
  readonly total: number | undefined;
  readonly nextToken: string | undefined;
}

/** One way through the pages. */
interface Pass {
  readonly pageNumber: number;
  readonly token: string | undefined;
  readonly seen: Set<string>;
  /** What the list has at least: entries that come later may stand on a page that was read before. */
  readonly firstTotal: number | undefined;
  readonly lastTotal: number | undefined;
}

function beginPass(): Pass {
  return { pageNumber: 1, token: undefined, seen: new Set(), firstTotal: undefined, lastTotal: undefined };
}

function positionOf({ pageNumber, token }: Pass, pageSize: number): Record<string, string> {
  return token === undefined
    ? { PageNo: `${pageNumber}`, PageSize: `${pageSize}` }
    : { NextToken: token, MaxResults: `${pageSize}` };
}

function afterPage({ pageNumber, token, ...pass }: Pass, page: Page<unknown>): Pass | 'restart' | 'end' {
  const totals = { firstTotal: pass.firstTotal ?? page.total, lastTotal: page.total ?? pass.lastTotal };
  if (page.nextToken !== undefined) return { ...pass, ...totals, pageNumber, token: page.nextToken };
  if (token !== undefined) return 'end';
  if (pass.lastTotal !== undefined && page.total !== undefined && page.total < pass.lastTotal) return 'restart';
  // Not by the size of the page: a service may give out fewer entries than it was asked for.
  const isAll = page.total !== undefined && pass.seen.size >= page.total;
  return page.items.length === 0 || isAll ? 'end' : { ...pass, ...totals, pageNumber: pageNumber + 1, token };
}

function pageSchema<Item>({ field, item }: AcrList<Item>): z.ZodType<Page<Item>> {
  const Items = z.object({ [field]: z.array(item).nullish() });
  const Paging = z.object({ TotalCount: count.nullish(), NextToken: z.string().nullish() });
  const itemsOf = (answer: unknown) => (answer as Record<string, readonly Item[] | null | undefined>)[field];
  return (
    z
      .intersection(Items, Paging)
      // A list that is left out is an empty one only where the count says so.
      .refine((answer) => itemsOf(answer) != null || answer.TotalCount === 0, { path: [field] })
      .transform((answer) => ({
        items: itemsOf(answer) ?? [],
        total: answer.TotalCount ?? undefined,
        nextToken: answer.NextToken || undefined,
      }))
  );
}

function fault({ endpoint, instanceId }: AcrApi, action: string, what: string): AutosignError {
  return new AutosignError(
    'registry-protocol',
    `${action} at ${endpoint}: the list of ${instanceId} cannot be trusted, ${what}`,
  );
}
