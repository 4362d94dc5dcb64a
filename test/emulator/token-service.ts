import 'reflect-metadata';
import { createHash, generateKeyPair, type KeyObject, randomUUID, sign, verify, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { X509CertificateGenerator } from '@peculiar/x509';
import { z } from 'zod';
import type { CheckedConfig, TokenServiceConfig } from './config.ts';
import { lifetimeMs } from './lifetime.ts';
import { matches } from './policy.ts';

/** What a request to `/auth` is answered with. */
interface TokenAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** User name or ARN; undefined for anonymous callers, and for wrong passwords. */
  readonly caller: string | undefined;
}

/** The registry's token service: Basic login in, bearer token out (distribution, docs/spec/auth/token.md). */
export interface TokenService {
  /** PEM; a registry that is given it trusts the tokens. */
  readonly rootCertificatePem: string;
  answer(query: URLSearchParams, authorization: string | undefined): TokenAnswer;
  /** What a token of this service allows at the registry of that name now; undefined when it does not count there. */
  check(token: string, service: string): TokenClaims | undefined;
  /** Ends every token that was given out so far, as far as `check` decides. */
  expireTokens(): void;
}

/** Logins besides the configured users, at registries besides the configured one. */
export interface MoreLogins {
  /** Whether there is a registry that calls itself so in its challenges. */
  hasService(service: string): boolean;
  /** Whose the login is; undefined when the password is wrong or over. */
  callerOf(username: string, password: string): string | undefined;
  /** What the login, or nobody, may do in a repository behind `service`. */
  permits(login: readonly [username: string, password: string] | undefined, wanted: WantedAccess): boolean;
}

interface WantedAccess {
  readonly service: string;
  readonly repository: string;
  readonly action: string;
}

const Access = z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()) });
type Access = z.infer<typeof Access>;

const Claims = z.object({
  sub: z.string(),
  aud: z.string(),
  exp: z.number(),
  nbf: z.number(),
  jti: z.string(),
  access: z.array(Access),
});
export type TokenClaims = z.infer<typeof Claims>;

/** As ACR's: a token counts for ten minutes, and from five minutes ago. */
const tokenSeconds = 600;
const backdatedSeconds = 300;

/** @param secrets gets every token that is given out */
export async function createTokenService(
  account: CheckedConfig,
  more: MoreLogins,
  secrets: string[],
): Promise<TokenService> {
  const config = account.tokenService;
  // Claims have whole seconds.
  const lifeSeconds = Math.max(1, Math.floor(lifetimeMs(account, tokenSeconds) / 1000));
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const header = base64url({ typ: 'JWT', alg: 'RS256', kid: libtrustKeyId(publicKey) });
  let live = new Set<string>();

  function issue(sub: string, aud: string, access: readonly Access[]): string {
    const iat = Math.floor(Date.now() / 1000);
    const times = { iat, exp: iat + lifeSeconds, nbf: iat - backdatedSeconds };
    // docker-registry 2.8 takes a string as `aud` only.
    const claims = { iss: config.issuer, sub, aud, ...times, jti: randomUUID(), access };
    live.add(claims.jti);
    const signedPart = `${header}.${base64url(claims)}`;
    const token = `${signedPart}.${sign('sha256', Buffer.from(signedPart), privateKey).toString('base64url')}`;
    secrets.push(token);
    return token;
  }

  return {
    rootCertificatePem: await selfSign(privateKey, publicKey),
    answer(query, authorization) {
      const login = authorization === undefined ? undefined : loginOf(authorization, config, more);
      if (authorization !== undefined && login === undefined) {
        return refusal(401, 'UNAUTHORIZED', 'authentication failed');
      }
      const service = query.get('service') ?? '';
      if (service !== config.service && !more.hasService(service)) return refusal(400, 'INVALID', 'unknown service');
      const scopes = query.getAll('scope').flatMap((scope) => scope.split(' ').filter((part) => part !== ''));
      // Like ACR: what is not permitted is left out, and the answer is still a token.
      const access = scopes.flatMap((scope) => permitted(scope, { service, login, more }));
      const token = issue(login?.username ?? '', service, access);
      const issuedAt = new Date().toISOString();
      const body = { token, access_token: token, expires_in: lifeSeconds, issued_at: issuedAt };
      return { status: 200, body, caller: login?.caller };
    },
    check(token, service) {
      const claims = readToken(token, publicKey);
      const nowSeconds = Date.now() / 1000;
      if (claims === undefined || claims.aud !== service || !live.has(claims.jti)) return undefined;
      return claims.nbf <= nowSeconds && nowSeconds < claims.exp ? claims : undefined;
    },
    expireTokens() {
      live = new Set();
    },
  };
}

interface Login {
  readonly username: string;
  readonly password: string;
  readonly caller: string;
  /** One of the configured users. */
  readonly user: TokenServiceConfig['users'][number] | undefined;
}

function loginOf(authorization: string, { users }: TokenServiceConfig, more: MoreLogins): Login | undefined {
  const [, encoded = ''] = /^Basic (.+)$/i.exec(authorization) ?? [];
  const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  if (username === undefined || password === undefined) return undefined;
  const user = users.find((candidate) => candidate.username === username && candidate.password === password);
  const caller = user?.username ?? more.callerOf(username, password);
  return caller === undefined ? undefined : { username, password, caller, user };
}

interface Asking {
  readonly service: string;
  readonly login: Login | undefined;
  readonly more: MoreLogins;
}

function permitted(scope: string, { service, login, more }: Asking): Access[] {
  // Neither repository names nor types have a colon; `name` may start with a host and port, which have.
  const [, type, name, asked] = /^([a-z]+):(.+):([a-z*,]+)$/.exec(scope) ?? [];
  if (type === undefined || name === undefined || asked === undefined) return [];
  if (type === 'registry')
    return login?.user?.catalog && name === 'catalog' && asked === '*' ? [{ type, name, actions: ['*'] }] : [];
  if (type !== 'repository') return [];
  const given = login && ([login.username, login.password] as const);
  const actions = asked
    .split(',')
    .filter(
      (action) => isGranted(login?.user, name, action) || more.permits(given, { service, repository: name, action }),
    );
  return actions.length === 0 ? [] : [{ type, name, actions }];
}

function isGranted(user: Login['user'], repository: string, action: string): boolean {
  const grants = user?.grants.filter((grant) => matches(grant.repository, repository)) ?? [];
  return grants.some((grant) => grant.actions.some((granted) => granted === action));
}

function readToken(token: string, publicKey: KeyObject): TokenClaims | undefined {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))) return undefined;
  return Claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
}

function refusal(status: number, code: string, message: string): TokenAnswer {
  return { status, body: { errors: [{ code, message }] }, caller: undefined };
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** libtrust's name of a key: 240 bits of the SHA-256 of the SPKI DER, base32 in groups of four. */
function libtrustKeyId(publicKey: KeyObject): string {
  const hash = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 30);
  const bits = [...hash].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const text = (bits.match(/.{5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)])
    .join('');
  return (text.match(/.{4}/g) ?? []).join(':');
}

async function selfSign(privateKey: KeyObject, publicKey: KeyObject): Promise<string> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const keys = {
    privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
    publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
  };
  const dayMs = 86_400_000;
  const validity = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) };
  const name = 'CN=token service of the emulator';
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { name, ...validity, signingAlgorithm: algorithm, keys },
    webcrypto,
  );
  return certificate.toString('pem');
}
