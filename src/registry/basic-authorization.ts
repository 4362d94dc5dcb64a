import type { RegistryCredentials } from '../ports/registry-login.ts';

/** The value of an `Authorization` header of RFC 7617, in UTF-8; undefined when the login is anonymous. */
export function basicAuthorization(credentials: RegistryCredentials | undefined): string | undefined {
  if (credentials === undefined) return undefined;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`, 'utf8').toString('base64')}`;
}
