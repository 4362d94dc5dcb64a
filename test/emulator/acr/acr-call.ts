import type { Clock } from '../../../src/ports/clock.ts';
import type { CheckedConfig } from '../config.ts';
import type { Identity } from '../identities.ts';
import { requireParameter } from '../openapi-error.ts';
import type { AcrInstance } from './acr-instance.ts';
import type { AcrLogins } from './acr-logins.ts';
import { AcrRefusal } from './acr-refusal.ts';

/** What all actions are answered from. */
export interface AcrContext {
  readonly config: CheckedConfig;
  readonly clock: Clock;
  readonly logins: AcrLogins;
  readonly instances: ReadonlyMap<string, AcrInstance>;
}

/** One authenticated request. */
export interface AcrCall {
  readonly context: AcrContext;
  readonly query: URLSearchParams;
  readonly identity: Identity;
}

/** Gives what an answer says beyond `Code`, `IsSuccess` and `RequestId`. */
export type AcrAction = (call: AcrCall) => Record<string, unknown> | Promise<Record<string, unknown>>;

/** The caller's instance that the request names; of another account's it learns nothing. */
export function instanceOf({ context, query, identity }: AcrCall): AcrInstance {
  const instance = context.instances.get(requireParameter(query, 'InstanceId'));
  if (instance === undefined || instance.accountId !== identity.accountId) throw new AcrRefusal('INSTANCE_NOT_EXIST');
  return instance;
}
