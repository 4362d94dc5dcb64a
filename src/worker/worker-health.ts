/** What an operator wants to know of a worker; no secret and no key material. Times are ISO 8601 in UTC. */
export interface WorkerHealth {
  /** Redis answers. */
  readonly redis: boolean;
  readonly rules: {
    readonly hash: string;
    /** Why the files on disk are not those in use, a line `file:line: …` for each problem. */
    readonly refused: string | undefined;
    readonly refusedSince?: string | undefined;
  };
  readonly keys: readonly {
    readonly name: string;
    readonly state: 'ready' | 'paused';
    readonly reason?: string;
    readonly since?: string | undefined;
  }[];
  /** Registries that refuse the login, ask for time or fail, so that their jobs wait. */
  readonly pausedRegistries: readonly {
    readonly name: string;
    readonly reason: string;
    readonly since?: string | undefined;
  }[];
  /** Rules whose baseline is not complete, so that their jobs wait. */
  readonly preparing: readonly { readonly rule: string; readonly registry: string; readonly reason: string }[];
}
