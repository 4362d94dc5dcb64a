import type { Digest } from './digest.ts';

/** A hint that something was pushed. Never an authority: it may be lost, repeated, late or forged. */
export interface PushEvent {
  /** Namespace and name joined by "/". */
  readonly repository: string;
  readonly tag: string;
  /** What the sender says was pushed; the registry is asked before anything is signed. */
  readonly digest: Digest | undefined;
}
