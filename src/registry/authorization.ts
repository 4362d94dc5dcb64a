import { AutosignError } from '../domain/errors.ts';
import { basicAuthorization } from './basic-authorization.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { createTokenSource, type TokenSourceOptions } from './token-source.ts';
import type { HttpAnswer, HttpRequest } from './transport.ts';

/** Sends a request to the registry itself with whatever authorization it asks for; `scope` is what a token is for. */
export type AuthorizedSend = (request: HttpRequest, scope: string) => Promise<HttpAnswer>;

/**
 * Answers a registry's challenges (Docker Registry v2 "Token Authentication Specification", and Basic). A request is
 * sent at most twice, so a registry that challenges for ever gets no third.
 * The last challenge is remembered, so that later requests carry their authorization from the start.
 */
export function createAuthorizedSender(options: TokenSourceOptions): AuthorizedSend {
  const { registry, login, transport } = options;
  const tokens = createTokenSource(options);
  let remembered: Challenge | undefined;

  async function authorization(challenge: Challenge, scope: string): Promise<string | undefined> {
    if (challenge.scheme === 'basic') {
      if (registry.acr !== undefined) throw basicAtAcr(registry.host);
      return basicAuthorization(await login.credentials());
    }
    try {
      return await tokens.get(challenge, scope);
    } catch (error) {
      // The registry may have moved its realm: the next request asks it again.
      remembered = undefined;
      throw error;
    }
  }

  return async function send(request, scope) {
    const known = remembered === undefined ? undefined : await authorization(remembered, scope);
    const first = await transport.send(withAuthorization(request, known));
    if (first.status !== 401) return first;
    const challenge = chooseChallenge(first);
    if (challenge === undefined) return first;
    if (known !== undefined) tokens.forget(known);
    remembered = challenge;
    const fresh = await authorization(challenge, scope);
    const second =
      fresh === undefined || fresh === known ? first : await transport.send(withAuthorization(request, fresh));
    // With Basic there is no realm that could refuse: a 401 is about the password, a 403 about the repository.
    if (second.status === 401 && challenge.scheme === 'basic') throw loginRefused(registry.host, fresh !== undefined);
    return second;
  };
}

function chooseChallenge(answer: HttpAnswer): Challenge | undefined {
  const challenges = parseChallenges(answer.header('www-authenticate') ?? '');
  return (
    challenges.find((challenge) => challenge.scheme === 'bearer') ??
    challenges.find((challenge) => challenge.scheme === 'basic')
  );
}

function withAuthorization(request: HttpRequest, authorization: string | undefined): HttpRequest {
  return authorization === undefined ? request : { ...request, headers: { ...request.headers, authorization } };
}

/** An instance asks for tokens only; its password opens every repository, and goes nowhere but to its token service. */
function basicAtAcr(host: string): AutosignError {
  return new AutosignError(
    'registry-login-refused',
    `${host} asks for user name and password itself, which no instance of ACR does, and nothing was sent to it: correct ` +
      'registries[].host, or take acr out of this registry',
  );
}

function loginRefused(host: string, hadCredentials: boolean): AutosignError {
  return new AutosignError(
    'registry-login-refused',
    hadCredentials
      ? `${host} refuses the user name or password: check the login of this registry`
      : `${host} wants a user name and password: configure registries[].login`,
  );
}
