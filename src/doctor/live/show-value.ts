import { fallbackTag } from '../../registry/fallback-index.ts';
import type { Observed } from './observed.ts';

/** One value of a JSON document, by the way to it. */
export interface Leaf {
  /** `push_data.pushed_at`; `[]` for an entry of a list. */
  readonly path: string;
  readonly value: unknown;
}

const leavesMax = 100;
const pathLengthMax = 120;
const timePattern = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?$/;
/** Fields that hold what somebody has named. */
const ownedPattern = /(?:name|id|url|addr|subject)$/i;
/** Words of a list that the service has. */
const wordPattern = /^(?:[A-Z][A-Z0-9_]{1,40}|acs\.cr|cr:[A-Za-z]+:[A-Za-z]+|\d\.\d)$/;

/** Every value of a document, as far as somebody wants to read it. */
export function leavesOf(value: unknown, path = ''): readonly Leaf[] {
  if (Array.isArray(value)) return value.slice(0, 1).flatMap((entry) => leavesOf(entry, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [{ path: path.slice(0, pathLengthMax), value }];
  const entries = Object.entries(value).slice(0, leavesMax);
  return entries
    .flatMap(([name, inner]) => leavesOf(inner, path === '' ? name : `${path}.${name}`))
    .slice(0, leavesMax);
}

export function isTime(text: string): boolean {
  return timePattern.test(text);
}

/** What a value is without telling whose: known ones by what they are, times and words as they stand, the rest by their form. */
export function showLeaf({ path, value }: Leaf, observed: Observed): string {
  return `${path}: ${showValue(path, value, observed)}`;
}

function showValue(path: string, value: unknown, observed: Observed): string {
  if (typeof value === 'string') return knownName(value, observed) ?? textForm(path, value);
  if (typeof value === 'number') return `a number of ${String(Math.trunc(value)).length} digits`;
  return value === null || typeof value === 'boolean' ? String(value) : typeof value;
}

function knownName(text: string, { registry, repository, tag, image, puts }: Observed): string | undefined {
  const [namespace = '', ...rest] = repository.split('/');
  const lists = image === undefined ? [] : [fallbackTag(image), `${fallbackTag(image)}.sig`];
  const digests = new Set<string>(puts.map(({ digest }) => digest));
  if (digests.has(text)) return '<digest with sha256:>';
  if (digests.has(`sha256:${text}`)) return '<digest without sha256:>';
  if (lists.includes(text)) return '<signature tag>';
  const names: Record<string, string | undefined> = {
    '<tag>': tag,
    '<namespace>/<repository>': repository,
    '<namespace>': namespace,
    '<repository>': rest.join('/'),
    '<instance id>': registry.acr?.instanceId,
    '<account id>': registry.eventBridge?.accountId ?? registry.acr?.accountId,
    '<region>': registry.acr?.region,
    '<registry host>': registry.host,
  };
  return Object.keys(names).find((name) => names[name] === text && text !== '');
}

function textForm(path: string, text: string): string {
  if (isTime(text) || (wordPattern.test(text) && !ownedPattern.test(path))) return text;
  const [, prefix] = /^(cri|crr|crn|crw|cralr)-/.exec(text) ?? [];
  if (prefix !== undefined) return `${prefix}-…`;
  if (/^\d+$/.test(text)) return `text of ${text.length} digits`;
  return text === '' ? 'an empty text' : `text of ${text.length} characters`;
}
