import type { SignatureStores } from '../ports/signature-store.ts';
import { createCosignTagStore } from './cosign-tag-store.ts';
import { createSignatureStore, type SignatureStoreOptions } from './signature-store.ts';

/** Every place where signatures of the registry behind `client` are kept; made once for one client. */
export function createSignatureStores(options: Omit<SignatureStoreOptions, 'limits'>): SignatureStores {
  return { referrers: createSignatureStore(options), 'cosign-tag': createCosignTagStore(options) };
}
