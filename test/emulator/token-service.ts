import 'reflect-metadata';
import { createHash, generateKeyPair, type KeyObject, randomUUID, sign, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { X509CertificateGenerator } from '@peculiar/x509';
import type { CheckedConfig, TokenServiceConfig } from './config.ts';
import { lifetimeMs } from './lifetime.ts';
import { matches } from './policy.ts';

/** What a request to `/auth` is answered with. */
interface TokenAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** Undefined for anonymous callers, and for wrong passwords. */
  readonly username: string | undefined;
}

/** The registry's token service: Basic login in, bearer token out (distribution, docs/spec/auth/token.md). */
export interface TokenService {
  /** PEM; a registry that is given it trusts the tokens. */
  readonly rootCertificatePem: string;
  answer(query: URLSearchParams, authorization: string | undefined): TokenAnswer;
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** As ACR's: a token counts for ten minutes, and from five minutes ago. */
const tokenSeconds = 600;
const backdatedSeconds = 300;

export async function createTokenService(account: CheckedConfig): Promise<TokenService> {
  const config = account.tokenService;
  // Claims have whole seconds.
  const lifeSeconds = Math.max(1, Math.floor(lifetimeMs(account, tokenSeconds) / 1000));
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const header = base64url({ typ: 'JWT', alg: 'RS256', kid: libtrustKeyId(publicKey) });

  function issue(username: string, access: readonly Access[]): string {
    const issuedAt = Math.floor(Date.now() / 1000);
    const claims = {
      iss: config.issuer,
      sub: username,
      // docker-registry 2.8 takes a string only.
      aud: config.service,
      exp: issuedAt + lifeSeconds,
      nbf: issuedAt - backdatedSeconds,
      iat: issuedAt,
      jti: randomUUID(),
      access,
    };
    const signedPart = `${header}.${base64url(claims)}`;
    return `${signedPart}.${sign('sha256', Buffer.from(signedPart), privateKey).toString('base64url')}`;
  }

  return {
    rootCertificatePem: await selfSign(privateKey, publicKey),
    answer(query, authorization) {
      const user = config.users.find((candidate) => authorization === basic(candidate.username, candidate.password));
      const wrong = authorization !== undefined && user === undefined;
      if (wrong) return refusal(401, 'UNAUTHORIZED', 'authentication failed');
      if (query.get('service') !== config.service) return refusal(400, 'INVALID', 'unknown service');
      const scopes = query.getAll('scope').flatMap((scope) => scope.split(' ').filter((part) => part !== ''));
      // Like ACR: what is not permitted is left out, and the answer is still a token.
      const access = scopes.flatMap((scope) => permitted(scope, user));
      const token = issue(user?.username ?? '', access);
      const issuedAt = new Date().toISOString();
      const body = { token, access_token: token, expires_in: lifeSeconds, issued_at: issuedAt };
      return { status: 200, body, username: user?.username };
    },
  };
}

function permitted(scope: string, user: TokenServiceConfig['users'][number] | undefined): Access[] {
  // Neither repository names nor types have a colon; `name` may start with a host and port, which have.
  const [, type, name, asked] = /^([a-z]+):(.+):([a-z*,]+)$/.exec(scope) ?? [];
  if (user === undefined || type === undefined || name === undefined || asked === undefined) return [];
  if (type === 'registry')
    return user.catalog && name === 'catalog' && asked === '*' ? [{ type, name, actions: ['*'] }] : [];
  if (type !== 'repository') return [];
  const granted = user.grants.filter((grant) => matches(grant.repository, name)).flatMap((grant) => grant.actions);
  const actions = asked.split(',').filter((action) => granted.some((grant) => grant === action));
  return actions.length === 0 ? [] : [{ type, name, actions }];
}

function refusal(status: number, code: string, message: string): TokenAnswer {
  return { status, body: { errors: [{ code, message }] }, username: undefined };
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
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
