import type { ErrorCode } from '../domain/errors.ts';

/** What an error of Alibaba Cloud means for us, and what the operator does about it. */
export interface FailureMeaning {
  readonly code: ErrorCode;
  readonly advice: string;
}

const wait = 'Nothing to do: it is tried again. If it lasts, look at the status of the service and at the network.';
const quota =
  'Too many calls in a second for this account: it is tried again more slowly. Raise the KMS quota if it lasts.';
const accessKey = "Check the access key of the worker's own identity: it is wrong, disabled or deleted.";
const token =
  "The temporary credentials are over or damaged. Check the source of the worker's own identity, and this machine's clock.";
const clock = "This machine's clock differs from the service's by more than 15 minutes: set it.";
const keyMissing = "Check the key's region, keyId and keyVersionId in the rules file.";
const keyState = 'Enable the key in the KMS console, or cancel its planned deletion.';
const keyRequest = "The key's usage or spec does not fit what was asked. Check its spec and the rule's algorithm.";
const permission =
  "The role's policy and our session policy must both allow it on this key. Check the role's policy, and region and account of the key.";
const trust =
  "The role must exist, its trust policy must name the worker's own identity, and that identity must be allowed sts:AssumeRole.";
const assumeRequest =
  "STS refused the request for the role. Check roleArn, externalId and the role's longest session duration (at least an hour).";
const account = 'KMS is not open for this account: activate it, or settle what the account owes.';

/** Reads an error of one product: what its code means, and what it means that there was no answer. */
export interface FailureReader {
  /** What `code`, as the product answers it, means. */
  meaningOf(code: string, status: number, action: string): FailureMeaning;
  readonly unreachable: FailureMeaning;
}

/** A pattern is an exact code, or a prefix that ends in ".*". */
export type FailureRow = readonly [pattern: string, code: ErrorCode, advice: string];

/**
 * The one table of Alibaba's error codes: exact codes, or a prefix that ends in ".*"; the first row that fits counts.
 * KMS: https://www.alibabacloud.com/help/doc-detail/69008.html ("Common errors"); STS: AssumeRole, "Error codes".
 */
const meanings: readonly FailureRow[] = [
  ['Rejected.Throttling', 'kms-throttled', quota],
  ['Rejected.LimitExceeded', 'kms-throttled', quota],
  ['Throttling', 'kms-throttled', quota],
  ['Throttling.*', 'kms-throttled', quota],
  ['ServiceUnavailableTemporary', 'kms-unreachable', wait],
  ['ServiceUnavailable', 'kms-unreachable', wait],
  ['InternalFailure', 'kms-unreachable', wait],
  ['InternalError', 'kms-unreachable', wait],
  ['SignatureNonceUsed', 'kms-unreachable', wait],
  ['InvalidTimeStamp.*', 'kms-unreachable', clock],
  ['IllegalTimestamp', 'kms-unreachable', clock],
  ['InvalidAccessKeyId', 'credentials-missing', accessKey],
  ['InvalidAccessKeyId.*', 'credentials-missing', accessKey],
  ['SignatureDoesNotMatch', 'credentials-missing', accessKey],
  ['IncompleteSignature', 'credentials-missing', accessKey],
  ['Forbidden.AccessKey', 'credentials-missing', accessKey],
  ['InvalidSecurityToken.*', 'credentials-missing', token],
  ['NoPermission', 'role-refused', trust],
  ['EntityNotExist.Role', 'role-refused', trust],
  ['InvalidParameter.RoleArn', 'role-refused', assumeRequest],
  ['InvalidParameter.RoleSessionName', 'role-refused', assumeRequest],
  ['InvalidParameter.DurationSeconds', 'role-refused', assumeRequest],
  ['InvalidParameter.PolicyGrammar', 'role-refused', assumeRequest],
  ['InvalidParameter.PolicySize', 'role-refused', assumeRequest],
  ['Forbidden.KeyNotFound', 'key-unusable', keyMissing],
  ['Forbidden.KeyVersionNotFound', 'key-unusable', keyMissing],
  ['Forbidden.AliasNotFound', 'key-unusable', keyMissing],
  ['Forbidden.NoPermission', 'key-unusable', permission],
  ['Forbidden.*', 'key-unusable', account],
  ['Rejected.Disabled', 'key-unusable', keyState],
  ['Rejected.*', 'key-unusable', keyState],
  ['InvalidParameter', 'key-unusable', keyRequest],
  ['InvalidParameter.*', 'key-unusable', keyRequest],
  ['MissingParameter', 'key-unusable', keyRequest],
  ['Unsupported.*', 'key-unusable', keyRequest],
];

/**
 * What `code`, as Alibaba answers it, means. A code that the table does not know counts as an outage when the status is
 * 5xx, else as refused by whoever was asked.
 */
export function meaningOf(code: string, status: number, action: string): FailureMeaning {
  const row = firstThatFits(meanings, code);
  if (row !== undefined) return row;
  if (status >= 500) return { code: 'kms-unreachable', advice: wait };
  return action === 'AssumeRole'
    ? { code: 'role-refused', advice: assumeRequest }
    : { code: 'key-unusable', advice: permission };
}

/** The meaning that the first row of a table gives to `code`. */
export function firstThatFits(rows: readonly FailureRow[], code: string): FailureMeaning | undefined {
  const row = rows.find(([pattern]) =>
    pattern.endsWith('.*') ? code.startsWith(pattern.slice(0, -1)) : code === pattern,
  );
  return row && { code: row[1], advice: row[2] };
}

/** For everything that is not an answer of the service: timeouts, refused connections, bodies that are not JSON. */
const unreachable: FailureMeaning = {
  code: 'kms-unreachable',
  advice: 'Check that this machine reaches the endpoint (address, DNS, firewall, proxy); it is tried again.',
};

/** How the errors of KMS and STS are read. */
export const keyFailures: FailureReader = { meaningOf, unreachable };
