import { z } from 'zod';
import { AutosignError, isAutosignError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { RegistryCredentials, RegistryLogin } from '../ports/registry-login.ts';
import type { Registry } from '../rules/rule-set.ts';
import { isAcrRealm } from './acr-realm.ts';
import { basicAuthorization } from './basic-authorization.ts';
import type { Challenge } from './challenge.ts';
import { parseJson } from './json.ts';
import type { RegistryLimits } from './registry-limits.ts';
import { isLoopback } from './target-check.ts';
import type { HttpAnswer, Transport } from './transport.ts';

/** Bearer tokens by realm, service and scope, kept until shortly before they end. */
export interface TokenSource {
  /** @returns the value of an `Authorization` header */
  get(challenge: Challenge, scope: string): Promise<string>;
  /** Drops the token behind this header value, because the registry did not take it. */
  forget(authorization: string): void;
}

export interface TokenSourceOptions {
  readonly registry: Pick<Registry, 'host' | 'realms'> & Partial<Pick<Registry, 'acr'>>;
  readonly login: RegistryLogin;
  readonly transport: Transport;
  readonly limits: RegistryLimits;
  readonly clock: Clock;
}

interface Token {
  readonly authorization: string;
  readonly staleAtMs: number;
}

/** Callers that want the same token at the same time share one request to the realm. */
export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const { registry, limits, clock } = options;
  const tokens = new Map<string, Token>();
  const underway = new Map<string, Promise<Token>>();

  async function fetchAndKeep(key: string, url: URL): Promise<Token> {
    try {
      const token = await fetchToken(url, options);
      tokens.delete(key);
      tokens.set(key, token);
      const oldest = tokens.size > limits.tokensMax ? tokens.keys().next().value : undefined;
      if (oldest !== undefined) tokens.delete(oldest);
      return token;
    } finally {
      underway.delete(key);
    }
  }

  return {
    async get(challenge, scope) {
      const url = realmUrl(challenge, registry);
      const service = challenge.parameters.get('service');
      checkInstance(service, registry);
      if (service !== undefined) url.searchParams.append('service', service);
      url.searchParams.append('scope', scope);
      const key = url.href;
      const kept = tokens.get(key);
      if (kept !== undefined && clock.now().getTime() < kept.staleAtMs) return kept.authorization;
      const token = underway.get(key) ?? fetchAndKeep(key, url);
      // No await stands between the look-up and this: two callers cannot both begin.
      underway.set(key, token as Promise<Token>);
      return (await token).authorization;
    },
    forget(authorization) {
      for (const [key, token] of tokens) if (token.authorization === authorization) tokens.delete(key);
    },
  };
}

/**
 * The service of an instance of ACR ends in its id. Another one means that the host is not that of the instance, whose
 * lists would then be believed for it.
 */
function checkInstance(service: string | undefined, { host, acr }: TokenSourceOptions['registry']): void {
  const named = /cri-[a-z0-9-]+/.exec(service ?? '')?.[0];
  if (acr === undefined || named === undefined || named.startsWith(acr.instanceId)) return;
  throw new AutosignError(
    'registry-login-refused',
    `${host} is the registry of the instance ${named}, and nothing was sent to it: acr.instanceId is ${acr.instanceId}; correct one of them`,
  );
}

/** Only a realm that is configured letter for letter is ever contacted; for an instance of ACR, those of ACR too. */
function realmUrl(challenge: Challenge, registry: TokenSourceOptions['registry']): URL {
  const realm = challenge.parameters.get('realm');
  if (realm === undefined) {
    throw new AutosignError('registry-protocol', `${registry.host} asks for a token and names no realm`);
  }
  const isKnown = registry.realms.includes(realm) || (registry.acr !== undefined && isAcrRealm(realm));
  const url = isKnown ? URL.parse(realm) : null;
  if (url === null) {
    throw new AutosignError(
      'registry-login-refused',
      `${registry.host} asks for a token from the realm ${JSON.stringify(realm.slice(0, 200))}, which is not configured, ` +
        'and nothing was sent there. If it is the right one, add it to registries[].realms',
    );
  }
  if (url.username !== '' || (url.protocol !== 'https:' && !isLoopback(url))) {
    throw new AutosignError(
      'registry-login-refused',
      `the realm ${url.origin}${url.pathname} of ${registry.host} must be https and hold no user name: correct registries[].realms`,
    );
  }
  return url;
}

/** "Token Authentication Specification", distribution/distribution docs, "Requesting a Token". */
async function fetchToken(url: URL, options: TokenSourceOptions): Promise<Token> {
  const { login } = options;
  const credentials = await login.credentials();
  try {
    return await requestToken(url, credentials, options);
  } catch (error) {
    const isRefused = isAutosignError(error, 'registry-login-refused');
    if (!isRefused || credentials === undefined || login.forget === undefined) throw error;
    // It may have been taken back before its end: another one is tried, once.
    login.forget(credentials);
    return requestToken(url, await login.credentials(), options);
  }
}

async function requestToken(
  url: URL,
  credentials: RegistryCredentials | undefined,
  { registry, transport, limits, clock }: TokenSourceOptions,
): Promise<Token> {
  const about = `GET ${url.origin}${url.pathname} (token for ${registry.host}, ${url.searchParams.get('scope')})`;
  const authorization = basicAuthorization(credentials);
  const askedAtMs = clock.now().getTime();
  const answer = await transport
    .send({
      method: 'GET',
      url,
      headers: authorization === undefined ? {} : { authorization },
      about,
      bytesMax: limits.tokenBytesMax,
    })
    .catch((error: unknown) => {
      if (!isAutosignError(error, 'too-large')) throw error;
      throw new AutosignError('registry-protocol', error.message, { cause: error });
    });
  const { token, lifetimeMs } = readToken(answer, about, limits);
  // Short-lived tokens keep half their life: a margin longer than that would mean a new token for every request.
  const staleAtMs = askedAtMs + lifetimeMs - Math.min(limits.tokenMarginMs, lifetimeMs / 2);
  return { authorization: `Bearer ${token}`, staleAtMs };
}

// A token becomes part of a header: visible ASCII only. Registries name it one way, the other, or both.
const TokenText = z.string().regex(/^[\x21-\x7e]+$/);
const TokenAnswer = z.object({
  token: TokenText.nullish(),
  access_token: TokenText.nullish(),
  expires_in: z.number().positive().max(86_400).nullish().catch(undefined),
});

function readToken(answer: HttpAnswer, about: string, limits: RegistryLimits): { token: string; lifetimeMs: number } {
  if (answer.status === 401 || answer.status === 403 || (answer.status >= 300 && answer.status < 400)) {
    const what = answer.status < 400 ? 'redirects, which is not followed with credentials' : 'refuses the login';
    throw new AutosignError('registry-login-refused', `${about}: the realm ${what} (${answer.status})`);
  }
  const parsed = TokenAnswer.safeParse(answer.status === 200 ? parseJson(answer.bytes) : undefined);
  const token = parsed.data?.token ?? parsed.data?.access_token;
  if (token === undefined || token === null) {
    throw new AutosignError(
      'registry-protocol',
      `${about}: the realm answered ${answer.status} without a usable token`,
    );
  }
  const seconds = parsed.data?.expires_in;
  return { token, lifetimeMs: typeof seconds === 'number' ? seconds * 1_000 : limits.tokenLifetimeDefaultMs };
}
