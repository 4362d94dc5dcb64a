import { AutosignError } from '../domain/errors.ts';
import { isLoopbackHost } from '../rules/loopback.ts';
import { isInstanceGateway } from '../rules/quota-of.ts';
import type { KmsKeySource } from '../rules/rule-set.ts';

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

/**
 * Whether an action is one of those that manage keys: the gateway of a KMS instance answers cryptographic actions only
 * (https://help.aliyun.com/document_detail/601559.html).
 */
export function isManagementAction(action: string): boolean {
  return action === 'DescribeKey' || action === 'ListKeyVersions';
}

/** The endpoint that serves actions which manage keys: always the shared gateway, by its public or its VPC address. */
export function managementEndpoint(source: Pick<KmsKeySource, 'endpoint' | 'managementEndpoint' | 'region'>): string {
  if (source.managementEndpoint !== undefined) return source.managementEndpoint;
  return isInstanceGateway(source.endpoint) ? `kms.${source.region}.aliyuncs.com` : source.endpoint;
}
