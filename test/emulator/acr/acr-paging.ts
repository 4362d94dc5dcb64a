import { invalidParameter } from '../openapi-error.ts';

/** The documented most; beyond it the real service reports an error or takes 100, and here it is the error. */
const sizeMax = 100;
const sizeDefault = 30;

interface Page<T> {
  readonly items: readonly T[];
  /** What the answer says about the page itself. */
  readonly fields: Record<string, unknown>;
}

/** The page of a list by number (`PageNo` from 1, `PageSize`). */
export function numberedPage<T>(all: readonly T[], query: URLSearchParams): Page<T> {
  const PageNo = readCount(query, 'PageNo', 1, Number.MAX_SAFE_INTEGER);
  const PageSize = readCount(query, 'PageSize', sizeDefault, sizeMax);
  return { items: all.slice((PageNo - 1) * PageSize, PageNo * PageSize), fields: { PageNo, PageSize } };
}

/**
 * The page of a list in either style: by number, or from `NextToken` on with at most `MaxResults`. The token tells the
 * last item's key, so that what is added or taken away meanwhile neither repeats nor hides others.
 * @param all sorted by their keys
 */
export function anyPage<T>(all: readonly T[], query: URLSearchParams, keyOf: (item: T) => string): Page<T> {
  if (!query.has('MaxResults') && !query.has('NextToken')) return numberedPage(all, query);
  const most = readCount(query, 'MaxResults', sizeDefault, sizeMax);
  const last = readToken(query.get('NextToken'));
  const rest = last === undefined ? all : all.filter((item) => keyOf(item) > last);
  const items = rest.slice(0, most);
  const end = items.at(-1);
  const isMore = end !== undefined && rest.length > items.length;
  return { items, fields: { MaxResults: most, ...(isMore ? { NextToken: tokenFor(keyOf(end)) } : {}) } };
}

function tokenFor(key: string): string {
  return Buffer.from(`after ${key}`).toString('base64url');
}

function readToken(token: string | null): string | undefined {
  if (token === null || token === '') return undefined;
  const [, key] = /^after (.+)$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (key === undefined) throw invalidParameter('NextToken');
  return key;
}

function readCount(query: URLSearchParams, name: string, fallback: number, most: number): number {
  const value = Number(query.get(name) ?? fallback);
  if (!Number.isInteger(value) || value < 1 || value > most) throw invalidParameter(name);
  return value;
}
