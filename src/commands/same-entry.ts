import { isDeepStrictEqual } from 'node:util';
import type { Origin } from '../rules/rule-set.ts';

/** Whether two entries of rules files say the same, wherever they stand: a line added above moves all that follows. */
export function isSameEntry(one: { readonly origin: Origin } | undefined, other: { readonly origin: Origin }): boolean {
  return one !== undefined && isDeepStrictEqual({ ...one, origin: undefined }, { ...other, origin: undefined });
}
