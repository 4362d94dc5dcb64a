/** A delivery that a door believed, as it came, without the values that are secret. */
export interface CapturedDelivery {
  readonly door: 'acr' | 'event-bridge';
  /** By the receiver's clock, ISO 8601. */
  readonly arrivedAt: string;
  /** The address that called, as far as trusted proxies tell it. */
  readonly from: string;
  /** With `…` where the path holds a token. */
  readonly path: string;
  /** Names in lower case; of a value that may be a secret only its length. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its first 16 KiB. */
  readonly body: string;
  /** What EventBridge's signature is over, beside URL and headers: which of the two is sent is not documented. */
  readonly signedForm?: SignedForm | undefined;
}

/** The body as it came, or with a line feed after it. */
export type SignedForm = 'body' | 'body-and-line-feed';

/** Where a receiver shows what it believed, for whoever asked to see some. */
export interface DeliveryCapture {
  /**
   * Returns at once, whatever becomes of it, and throws nothing.
   * @param read asked when somebody wants to see deliveries of this registry
   */
  offer(registry: string, read: () => CapturedDelivery): void;
}

/** The other end: who wants to see the deliveries of a registry. */
export interface DeliveryWish {
  /**
   * Asks receivers to keep those deliveries whose body holds `text`.
   * @returns false while somebody else asks for this registry's
   * @throws AutosignError `redis-unreachable`
   */
  begin(registry: string, text: string, forMs: number): Promise<boolean>;
  /** What was kept since, oldest first. Throws as `begin`. */
  read(registry: string): Promise<readonly CapturedDelivery[]>;
  /** Takes the wish and what was kept away. Throws as `begin`. */
  end(registry: string): Promise<void>;
}
