import { AutosignError } from '../domain/errors.ts';
import type { KmsKeySource } from '../rules/rule-set.ts';

/** RAM's limit for a session policy in AssumeRole, in bytes; newer documentation allows 2,048. */
const policyBytesMax = 1024;

/** All that the service does with a key. */
export const keyActions: readonly string[] = ['kms:AsymmetricSign', 'kms:GetPublicKey', 'kms:DescribeKey'];

/** What an operator's commands do besides. */
const inspectionActions: readonly string[] = ['kms:AsymmetricVerify', 'kms:ListKeyVersions'];

type PolicySource = Pick<KmsKeySource, 'region' | 'keyId' | 'roleArn'>;

/**
 * The session policy that narrows the key's role, however wide it is, to three actions on this one key; JSON.
 * @throws AutosignError `rules-invalid` when `roleArn` is not `acs:ram::<account>:role/<name>`, or the ids are too long
 */
export function keySessionPolicy(source: PolicySource): string {
  return policyFor(source, keyActions, [keyResource(source)]);
}

/** Likewise for what only commands of an operator ask of the key. */
export function inspectionPolicy(source: PolicySource): string {
  return policyFor(source, inspectionActions, [keyResource(source)]);
}

/**
 * Likewise for asking which key an alias leads to, and nothing else. No document says whether RAM holds such a call
 * against the alias or against the key behind it, whose id is not known yet: so both are named.
 */
export function aliasSessionPolicy(source: PolicySource): string {
  const anyKey = keyResource(source);
  return policyFor(source, ['kms:DescribeKey'], [anyKey, anyKey.replace(/key\/\*$/, source.keyId)]);
}

function policyFor(source: PolicySource, actions: readonly string[], resources: readonly string[]): string {
  const policy = JSON.stringify({
    Version: '1',
    Statement: [{ Effect: 'Allow', Action: actions, Resource: resources }],
  });
  if (Buffer.byteLength(policy) > policyBytesMax) {
    throw new AutosignError(
      'rules-invalid',
      `keyId "${source.keyId}" is too long: the session policy may have ${policyBytesMax} bytes`,
    );
  }
  return policy;
}

/**
 * How RAM names the key, which is in the account of its role; by an alias every key of the region, as it does not tell which.
 * @throws AutosignError `rules-invalid` for a malformed role ARN, key id or region
 */
export function keyResource(source: PolicySource): string {
  const account = /^acs:ram::(\d+):role\/[^/\s]+$/.exec(source.roleArn)?.[1];
  if (account === undefined) {
    throw new AutosignError(
      'rules-invalid',
      `roleArn "${source.roleArn}" is not of the form acs:ram::<account id>:role/<role name>`,
    );
  }
  // "*" and "?" are wildcards in a resource: an id that had them would widen the session.
  if (!/^[\w./-]+$/.test(source.keyId) || !/^[a-z0-9-]+$/.test(source.region)) {
    throw new AutosignError(
      'rules-invalid',
      `keyId "${source.keyId}" or region "${source.region}" has characters that no key or region has`,
    );
  }
  const key = source.keyId.startsWith('alias/') ? '*' : source.keyId;
  return `acs:kms:${source.region}:${account}:key/${key}`;
}
