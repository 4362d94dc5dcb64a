import { AutosignError } from '../domain/errors.ts';
import { isLoopbackHost } from '../rules/loopback.ts';
import { isInstanceGateway } from '../rules/quota-of.ts';

/** Where requests go; `host` has the port when it is not the protocol's own. */
export interface Endpoint {
  readonly protocol: 'https' | 'http';
  readonly host: string;
}

const hostPattern = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d{1,5})?$/;

/**
 * Reads `host[:port]`, reached by https, or `http://` with a loopback address and port.
 * @throws AutosignError `rules-invalid` for everything else: signed requests carry STS tokens, which must not travel in the clear
 */
export function parseEndpoint(text: string): Endpoint {
  const plain = text.startsWith('http://') ? text.slice('http://'.length).replace(/\/$/, '') : undefined;
  if (plain !== undefined && isLoopbackHost(plain)) return { protocol: 'http', host: plain };
  if (hostPattern.test(text)) return { protocol: 'https', host: text };
  throw new AutosignError(
    'rules-invalid',
    `"${text}" is not an endpoint: write host[:port], which is reached by https, or http:// with a loopback address`,
  );
}

/** The endpoint that serves DescribeKey: the gateway of a KMS instance answers cryptographic actions only. */
export function managementEndpoint(endpoint: string, region: string): string {
  return isInstanceGateway(endpoint) ? `kms.${region}.aliyuncs.com` : endpoint;
}
