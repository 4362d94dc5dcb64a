import { lifetimeMs } from '../lifetime.ts';
import { invalidParameter } from '../openapi-error.ts';
import { type AcrAction, instanceOf } from './acr-call.ts';
import { authorizeEverywhere } from './acr-ram.ts';

/** An hour, as long as the request does not ask for more. */
const hoursDefault = 1;
const hoursMax = 24;

/** A login at the instance's registry with the caller's rights. It ends no later than the STS session it was asked with. */
export const getAuthorizationToken: AcrAction = (call) => {
  const { context, query, identity } = call;
  authorizeEverywhere(identity, 'cr:GetAuthorizationToken');
  const instance = instanceOf(call);
  const hours = Number(query.get('ExpiresInHours') ?? hoursDefault);
  if (!Number.isInteger(hours) || hours < 1 || hours > hoursMax) throw invalidParameter('ExpiresInHours');
  const endsMs = context.clock.now().getTime() + lifetimeMs(context.config, hours * 3600);
  const ExpireTime = Math.floor(Math.min(endsMs, identity.session?.expiresAtMs ?? Number.POSITIVE_INFINITY));
  const { username, password } = context.logins.issue(instance, identity, ExpireTime);
  return { TempUsername: username, AuthorizationToken: password, ExpireTime };
};
