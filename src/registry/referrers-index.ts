import { z } from 'zod';
import type { Descriptor } from '../domain/descriptor.ts';
import { AutosignError } from '../domain/errors.ts';
import { parseJson } from './json.ts';
import { ListedEntry, toDescriptors } from './listed-entry.ts';

const Index = z.object({ manifests: z.array(ListedEntry).nullable() });

/**
 * The descriptors of an image index that lists referrers (distribution-spec, "Listing Referrers"). Entries of other
 * digest algorithms than sha256 are left out: everything that we push or check is sha256.
 * @throws AutosignError `referrers-incomplete` when any entry is unreadable, so that nothing is overlooked
 */
export function readReferrersIndex(bytes: Uint8Array, about: string): readonly Descriptor[] {
  const parsed = Index.safeParse(parseJson(bytes));
  if (!parsed.success) {
    throw new AutosignError('referrers-incomplete', `${about}: the list of referrers cannot be read`, {
      cause: parsed.error,
    });
  }
  return toDescriptors(parsed.data.manifests ?? []);
}
