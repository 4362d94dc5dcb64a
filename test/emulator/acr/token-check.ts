import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TokenClaims, TokenService } from '../token-service.ts';
import { type RequiredAccess, scopeOf } from './required-access.ts';

/** Whether a request carries a token that allows it, and why not. */
type Checked =
  | { readonly claims: TokenClaims }
  | { readonly claims: undefined; readonly error: 'invalid_token' | 'insufficient_scope' | undefined };

export function checkToken(
  { headers }: IncomingMessage,
  access: RequiredAccess,
  tokenService: TokenService,
  service: string,
): Checked {
  const [, token] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? [];
  if (token === undefined) return { claims: undefined, error: undefined };
  const claims = tokenService.check(token, service);
  if (claims === undefined) return { claims: undefined, error: 'invalid_token' };
  return allows(claims, access) ? { claims } : { claims: undefined, error: 'insufficient_scope' };
}

/** Answers 401 in the form of ACR's challenge. */
export function sendChallenge(
  response: ServerResponse,
  access: RequiredAccess,
  { realm, service, error }: { readonly realm: string; readonly service: string; readonly error: string | undefined },
): void {
  const scope = scopeOf(access);
  const parameters = { realm, service, ...(scope && { scope }), ...(error && { error }) };
  const challenge = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'docker-distribution-api-version': 'registry/2.0',
    'www-authenticate': `Bearer ${challenge.join(',')}`,
  };
  response.writeHead(401, headers);
  response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
}

function allows({ sub, access: granted }: TokenClaims, access: RequiredAccess): boolean {
  const has = (type: string, name: string, action: string): boolean =>
    granted.some((entry) => entry.type === type && entry.name === name && entry.actions.includes(action));
  switch (access.kind) {
    case 'login':
      // A token for nobody is a token all the same, and does not open anything.
      return sub !== '';
    case 'catalog':
      return has('registry', 'catalog', '*');
    case 'repository':
      return (
        access.actions.every((action) => has('repository', access.repository, action)) &&
        (access.mountFrom === undefined || has('repository', access.mountFrom, 'pull'))
      );
  }
}
