import type { CredentialsSource } from '../../src/alibaba/sts-credentials.ts';
import type { KmsKeySource } from '../../src/rules/rule-set.ts';
import { sample } from './sample-config.ts';

/** The sample account's worker. */
export function permanentKey(
  accessKeySecret: string,
  accessKeyId: string = sample.worker.accessKeyId,
): CredentialsSource {
  const credentials = { accessKeyId, accessKeySecret, securityToken: undefined, expiration: undefined };
  return { credentials: async () => credentials, forget: () => undefined };
}

/** The sample account's EC_P256 key. */
export function keySource(url: string, overrides: Partial<KmsKeySource> = {}): KmsKeySource {
  return {
    kind: 'kms',
    region: sample.region,
    keyId: sample.keys.EC_P256,
    keyVersionId: sample.keyVersionId,
    roleArn: sample.roleArn,
    externalId: undefined,
    via: [],
    sessionSeconds: 3600,
    endpoint: url,
    stsEndpoint: url,
    caFile: undefined,
    ...overrides,
  };
}
