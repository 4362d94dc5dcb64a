import { randomBytes } from 'node:crypto';
import type { EmulatorConfig } from './config.ts';

/** Names in the sample account, for those who talk to it. */
export const sample = {
  region: 'cn-hangzhou',
  accountId: '1234567890123456',
  worker: { accessKeyId: 'LTAI-sample-worker', arn: 'acs:ram::1234567890123456:user/autosign-worker' },
  roleArn: 'acs:ram::1234567890123456:role/AliyunContainerRegistryKMSRole',
  keys: { RSA_2048: 'key-sample-rsa2048', RSA_3072: 'key-sample-rsa3072', EC_P256: 'key-sample-p256' },
  keyVersionId: 'version-1',
} as const;

/** ACR's documented role: it may do everything with KMS (https://help.aliyun.com/document_detail/159642.html). */
export const documentedRolePolicy = {
  Version: '1' as const,
  Statement: [
    { Effect: 'Allow' as const, Action: ['kms:*'], Resource: `acs:kms:${sample.region}:${sample.accountId}:*` },
  ],
};

/** A trust policy for these principals. */
export function trustPolicy(principal: { RAM?: string[]; Service?: string[] }) {
  return {
    Version: '1' as const,
    Statement: [{ Effect: 'Allow' as const, Action: 'sts:AssumeRole' as const, Principal: principal }],
  };
}

/**
 * An account with one worker, ACR's documented role that trusts the worker too, and a key of each spec. The worker's
 * secret is a new one each time; `overrides` replace whole entries.
 */
export function sampleConfig(overrides: Partial<EmulatorConfig> = {}) {
  const accessKeySecret = randomBytes(24).toString('base64url');
  const config: EmulatorConfig = {
    region: sample.region,
    accountId: sample.accountId,
    users: [{ ...sample.worker, accessKeySecret }],
    roles: [
      {
        arn: sample.roleArn,
        trustPolicy: trustPolicy({ Service: ['cr.aliyuncs.com'], RAM: [sample.worker.arn] }),
        policies: [documentedRolePolicy],
      },
    ],
    keys: (['RSA_2048', 'RSA_3072', 'EC_P256'] as const).map((spec) => ({
      keyId: sample.keys[spec],
      spec,
      versions: [{ keyVersionId: sample.keyVersionId }],
    })),
    ...overrides,
  };
  return { config, accessKeySecret };
}
