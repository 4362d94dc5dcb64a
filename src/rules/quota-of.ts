import type { QuotaScope } from '../ports/quota.ts';
import type { Key, RuleSet } from './rule-set.ts';

/**
 * KMS grants an account 200 calls of AsymmetricSign, AsymmetricVerify and their like a second in a region on the shared
 * gateway (API reference, AsymmetricSign, "QPS limits"); others in the account need some of them.
 */
const perSecondDefault = 180;

/**
 * The quota that signatures of this key count against: that of the account and region of a key which is reached by the
 * shared gateway. Undefined for all others: the gateway of a KMS instance knows no quota of an account, only what the
 * instance can do.
 */
export function quotaOf({ quotas }: Pick<RuleSet, 'quotas'>, { source }: Pick<Key, 'source'>): QuotaScope | undefined {
  if (source.kind !== 'kms' || isInstanceGateway(source.endpoint)) return undefined;
  const { region, roleArn } = source;
  const accountId = accountOf(roleArn);
  const entry = quotas.find((quota) => quota.accountId === accountId && quota.region === region);
  return {
    name: `${accountId}/${region}`,
    perSecond: entry?.perSecond ?? perSecondDefault,
    perDay: entry?.perDay,
  };
}

/** The account of a role's ARN, whose keys the role uses. */
export function accountOf(roleArn: string): string {
  return roleArn.split(':')[3] ?? '';
}

/** Whether `endpoint` is `<instance id>.cryptoservice.kms.aliyuncs.com`, whose certificate needs an authority of its own. */
export function isInstanceGateway(endpoint: string): boolean {
  return /\.cryptoservice\.kms\.aliyuncs\.com(?::\d+)?$/i.test(endpoint);
}
