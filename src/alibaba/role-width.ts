import { isAutosignError } from '../domain/errors.ts';
import type { KmsKeySource } from '../rules/rule-set.ts';
import { callOpenApi } from './call-openapi.ts';
import { managementEndpoint } from './endpoint.ts';
import { keyFailures } from './openapi-failures.ts';
import { createRoleChain, type RoleChainOptions } from './role-chain.ts';

/** The role of a key and how to get there. */
export interface RoleWidthOptions extends Pick<RoleChainOptions, 'base' | 'clock' | 'timeouts'> {
  readonly source: KmsKeySource;
}

// Reads, costs nothing, and is no part of signing: ACR's documented role allows it, one for a single key does not.
const needless = 'ListKeys';
const policy = JSON.stringify({
  Version: '1',
  Statement: [{ Effect: 'Allow', Action: [`kms:${needless}`], Resource: ['*'] }],
});
/** RAM's shortest session. */
const sessionSeconds = 900;

/**
 * Whether the role itself, not narrowed by our session policy, may list every key of its account: then it is wider than
 * signing needs. RAM's own API would tell more, and would need rights that no worker should have.
 * @throws AutosignError `role-refused`, `credentials-missing`, `kms-unreachable`, `kms-throttled`
 */
export async function mayListKeys({ source, base, clock, timeouts }: RoleWidthOptions): Promise<boolean> {
  const { roleArn, externalId, via, stsEndpoint } = source;
  const role = { roleArn, externalId };
  const chain = createRoleChain({ base, via, role, policy, sessionSeconds, stsEndpoint, clock, timeouts });
  const credentials = await chain.credentials();
  try {
    await callOpenApi({
      endpoint: managementEndpoint(source),
      action: needless,
      version: '2016-01-20',
      query: { PageSize: '1' },
      credentials,
      timeouts,
      failures: keyFailures,
    });
    return true;
  } catch (error) {
    if (isAutosignError(error, 'key-unusable')) return false;
    throw error;
  }
}
