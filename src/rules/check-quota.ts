import { type Entry, problemAt } from './entry.ts';
import type { Problem } from './problem.ts';
import { accountOf, isInstanceGateway } from './quota-of.ts';
import type { KeyEntry, QuotaFileEntry } from './rules-file-schema.ts';

/** An entry with a wrong account or region would limit nothing, and nobody would notice. */
export function checkQuota(quota: Entry<QuotaFileEntry>, keys: readonly Entry<KeyEntry>[]): readonly Problem[] {
  const { accountId, region } = quota.value;
  const theirs = keys.filter(
    ({ value: { kms } }) => kms !== undefined && accountOf(kms.roleArn) === accountId && kms.region === region,
  );
  if (theirs.length === 0) {
    return [
      problemAt(quota, `no key of kms is in account ${accountId} and region ${region}; correct it or leave it out`),
    ];
  }
  if (theirs.every(({ value: { kms } }) => kms?.endpoint !== undefined && isInstanceGateway(kms.endpoint))) {
    const message = `the keys in account ${accountId} and region ${region} use gateways of KMS instances, which have no quota for an account; leave it out`;
    return [problemAt(quota, message)];
  }
  return [];
}
