/** What is remembered of a request: no key, token, password or signature. */
export interface RecordedCall {
  /** `auth` for the registry's token service. */
  readonly action: string;
  readonly version: string | undefined;
  /** When it came in, in milliseconds since 1970. */
  readonly atMs: number;
  readonly query: Readonly<Record<string, string>>;
  /** ARN, or the user name at the token service; undefined when it was not authenticated. */
  readonly caller: string | undefined;
  readonly status: number;
  /** Alibaba's error code. */
  readonly code: string | undefined;
  readonly requestId: string | undefined;
}

/** An external id is shared with the account's owner alone; a trigger's URL holds the token of whoever it calls. */
const masked = ['ExternalId', 'TriggerUrl'];

/** The query, a repeated name joined by a space, secrets masked. */
export function recordableQuery(query: URLSearchParams): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...new Set(query.keys())].map((name) => [name, masked.includes(name) ? '…' : query.getAll(name).join(' ')]),
  );
}
