/** Finished artifacts by intent, kept before the first push, so that rivals and retries push identical bytes. */
export interface IntentStore {
  /** The stored bytes of this intent, or undefined. */
  get(intentId: string): Promise<Uint8Array | undefined>;
  /** Stores `bytes` unless something is stored already; answers what is stored afterwards. */
  putIfAbsent(intentId: string, bytes: Uint8Array): Promise<Uint8Array>;
}
