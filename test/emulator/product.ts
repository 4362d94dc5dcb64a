import type { Identity } from './identities.ts';

/**
 * One product of the emulated account: what it answers an action with, besides the request id. `parameters` are those of
 * the query and of a form body, without the ones that every request has.
 * @throws OpenApiError for what is refused
 */
export type Product = (
  action: string,
  parameters: URLSearchParams,
  identity: Identity,
) => Record<string, unknown> | Promise<Record<string, unknown>>;
