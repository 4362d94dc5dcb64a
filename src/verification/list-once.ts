import type { Descriptor } from '../domain/descriptor.ts';
import type { Digest } from '../domain/digest.ts';
import type { SignaturePlace, SignatureStores } from '../ports/signature-store.ts';

/** What a place lists for the image. */
export type ListSignatures = (place: SignaturePlace) => Promise<readonly Descriptor[]>;

/** Asks each place at most once, and only when somebody wants to know; rejected as SignatureStore.list. */
export function listOnce(stores: SignatureStores, repository: string, subject: Digest): ListSignatures {
  const lists = new Map<SignaturePlace, Promise<readonly Descriptor[]>>();
  return (place) => {
    const list = lists.get(place) ?? stores[place].list(repository, subject);
    lists.set(place, list);
    return list;
  };
}
