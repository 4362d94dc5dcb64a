import { type FailureMeaning, type FailureReader, type FailureRow, firstThatFits } from './failure-table.ts';

const wait = 'Nothing to do: it is tried again. If it lasts, look at the status of the service and at the network.';
const permission =
  "The role's policy and our session policy must both allow it on this key. Check the role's policy, and region and account of the key.";
const keyRefused: FailureMeaning = { code: 'key-unusable', advice: permission };
const roleRefused: FailureMeaning = {
  code: 'role-refused',
  advice:
    "STS refused the request for the role. Check roleArn, externalId and the role's longest session duration (at least an hour).",
};

const slower = 'Too many calls: it is tried again more slowly. Find out who else calls so much if it lasts.';

/**
 * The one table of the error codes of KMS and STS; docs/alibaba-errors.md shows it. The first row that fits counts.
 * KMS: https://www.alibabacloud.com/help/doc-detail/69008.html ("Common errors"); STS: AssumeRole, "Error codes".
 */
export const keyFailureRows: readonly FailureRow[] = [
  [
    'Rejected.Throttling',
    'kms-throttled',
    'Too many calls in a second for this account: it is tried again more slowly. Raise the KMS quota if it lasts.',
  ],
  [
    'Rejected.LimitExceeded',
    'kms-throttled',
    'A limit of this account in KMS is reached: it is tried again more slowly. Look which quota it is in the KMS console and raise it.',
  ],
  [
    'Throttling',
    'kms-throttled',
    "Alibaba's gateway takes no more calls just now: it is tried again more slowly. Find out who else calls so much if it lasts.",
  ],
  [
    'Throttling.*',
    'kms-throttled',
    "This identity, API or account calls too often for Alibaba's gateway: it is tried again more slowly. Find out who else calls so much if it lasts.",
  ],
  [
    'ServiceUnavailableTemporary',
    'kms-unreachable',
    'Nothing to do: KMS is out of order for a moment and is tried again. If it lasts, look at the status of the service.',
  ],
  [
    'ServiceUnavailable',
    'kms-unreachable',
    'Nothing to do: the service is out of order and is tried again. If it lasts, look at its status page for the region.',
  ],
  [
    'InternalFailure',
    'kms-unreachable',
    "Nothing to do: KMS failed inside and is tried again. If it lasts, tell Alibaba's support the RequestId.",
  ],
  [
    'InternalError',
    'kms-unreachable',
    "Nothing to do: the service failed inside and is tried again. If it lasts, tell Alibaba's support the RequestId.",
  ],
  [
    'Rejected.StateModifiedFailed',
    'kms-unreachable',
    'Nothing to do: the state of the key is being changed and it is tried again. If it lasts, look at the key in the KMS console.',
  ],
  [
    'SignatureNonceUsed',
    'kms-unreachable',
    'Nothing to do: a request came twice and is sent anew. If it lasts, look for a proxy that repeats requests.',
  ],
  [
    'InvalidTimeStamp.Expired',
    'kms-unreachable',
    "This machine's clock differs from the service's by more than 15 minutes: set it, and let NTP keep it.",
  ],
  [
    'InvalidTimeStamp.*',
    'kms-unreachable',
    "The service cannot read the time of the request: look for a proxy that changes headers, and at this machine's clock.",
  ],
  [
    'IllegalTimestamp',
    'kms-unreachable',
    "This machine's clock is wrong for KMS, which allows 15 minutes: set it, and let NTP keep it.",
  ],
  [
    'InvalidAccessKeyId',
    'credentials-missing',
    "Check the access key of the worker's own identity: it is wrong, disabled or deleted.",
  ],
  [
    'InvalidAccessKeyId.NotFound',
    'credentials-missing',
    "There is no such access key: check the one of the worker's own identity, it may have been deleted.",
  ],
  [
    'InvalidAccessKeyId.*',
    'credentials-missing',
    "The access key of the worker's own identity is not usable: look at it in the RAM console and enable it.",
  ],
  [
    'SignatureDoesNotMatch',
    'credentials-missing',
    "The secret does not belong to the access key of the worker's own identity: set both anew. A proxy that changes requests does the same.",
  ],
  [
    'IncompleteSignature',
    'credentials-missing',
    "The request came without a whole signature: check the access key of the worker's own identity, and look for a proxy that drops headers.",
  ],
  [
    'Forbidden.AccessKey',
    'credentials-missing',
    "KMS refuses this access key: look in the RAM console whether the one of the worker's own identity is disabled.",
  ],
  [
    'InvalidSecurityToken.Expired',
    'credentials-missing',
    "The temporary credentials are over and new ones are asked for. If it lasts, check the source of the worker's own identity, and this machine's clock.",
  ],
  [
    'InvalidSecurityToken.Malformed',
    'credentials-missing',
    "The security token is damaged: check that the source of the worker's own identity gives it whole (quotes, line ends).",
  ],
  [
    'InvalidSecurityToken.MismatchWithAccessKey',
    'credentials-missing',
    "The security token belongs to another access key: take access key, secret and token of the worker's own identity from one source.",
  ],
  [
    'InvalidSecurityToken.*',
    'credentials-missing',
    "The temporary credentials are over or damaged. Check the source of the worker's own identity, and this machine's clock.",
  ],
  [
    'NoPermission',
    'role-refused',
    "The role must exist, its trust policy must name the worker's own identity, and that identity must be allowed sts:AssumeRole.",
  ],
  [
    'EntityNotExist.Role',
    'role-refused',
    'There is no such role: correct roleArn (account and name), or create the role.',
  ],
  ['InvalidParameter.RoleArn', 'role-refused', "STS cannot read the role's ARN: correct roleArn."],
  [
    'InvalidParameter.RoleSessionName',
    'role-refused',
    'STS refuses the name of our session: tell the makers of this service, with the RequestId.',
  ],
  [
    'InvalidParameter.DurationSeconds',
    'role-refused',
    "The session is longer than the role allows: raise the role's longest session duration to an hour, or lower sessionDuration if the rules set it.",
  ],
  [
    'InvalidParameter.PolicyGrammar',
    'role-refused',
    'STS cannot read our session policy: check keyId, region and roleArn for odd characters.',
  ],
  [
    'InvalidParameter.PolicySize',
    'role-refused',
    'Our session policy is too long for STS: shorten the names in it, such as an alias.',
  ],
  [
    'Forbidden.KeyNotFound',
    'key-unusable',
    "There is no such key in this region of the role's account: check the key's region, keyId and roleArn in the rules file.",
  ],
  [
    'Forbidden.KeyVersionNotFound',
    'key-unusable',
    'The key has no such version: check keyVersionId in the rules file; "autosign cert public-key" lists the versions that there are.',
  ],
  [
    'Forbidden.AliasNotFound',
    'key-unusable',
    "There is no such alias in this region of the role's account: check keyId in the rules file, or create the alias again.",
  ],
  ['Forbidden.NoPermission', 'key-unusable', permission],
  [
    'Forbidden.KmsServiceNotEnabled',
    'key-unusable',
    'KMS is not open for this account: activate it in the KMS console.',
  ],
  ['Forbidden.InDebt', 'key-unusable', 'The account owes Alibaba money: settle it.'],
  [
    'Forbidden.InDebtOverdue',
    'key-unusable',
    'The account has owed Alibaba money for too long: settle it before its keys are deleted.',
  ],
  [
    'Forbidden.ProhibitedByRiskControl',
    'key-unusable',
    "Alibaba's risk control has locked the account out of KMS: ask Alibaba's support.",
  ],
  [
    'Forbidden.*',
    'key-unusable',
    'KMS does not serve this account: look for messages in the console (activation, debts, locks).',
  ],
  [
    'UnsupportedHTTPMethod',
    'key-unusable',
    'Something between this machine and KMS changes the method of requests: look for a proxy.',
  ],
  ['Rejected.Disabled', 'key-unusable', 'Enable the key in the KMS console.'],
  [
    'Rejected.PendingDeletion',
    'key-unusable',
    'The key is going to be deleted: cancel its planned deletion in the KMS console, and enable it, or take another key.',
  ],
  ['Rejected.PendingImport', 'key-unusable', 'The key has no key material yet: import it in the KMS console.'],
  ['Rejected.*', 'key-unusable', 'The key is in a state in which KMS does not use it: look at it in the KMS console.'],
  [
    'MissingParameter',
    'key-unusable',
    'A parameter did not arrive: check that keyId and keyVersionId are written out in the rules file, and look for a proxy that changes requests.',
  ],
  [
    'InvalidParameter',
    'key-unusable',
    "The key's usage or spec does not fit what was asked. Check its spec and the rule's algorithm.",
  ],
  [
    'InvalidParameter.*',
    'key-unusable',
    "KMS refuses what was asked of this key. Check its spec, its usage and the rule's algorithm.",
  ],
  [
    'Unsupported.Origin',
    'key-unusable',
    'KMS cannot do this with a key of that origin: take an asymmetric key for SIGN/VERIFY.',
  ],
  ['Unsupported.Alias', 'key-unusable', "KMS takes no alias here: write the key's id into keyId."],
  [
    'Unsupported.ProtectionLevel',
    'key-unusable',
    'KMS cannot do this at the protection level of the key: take one with another level, or of another spec.',
  ],
  ['Unsupported.*', 'key-unusable', 'KMS cannot do this with such a key: take an asymmetric key for SIGN/VERIFY.'],
  ['DryRunOperationError', 'key-unusable', 'Nothing to do: it was a dry run, which would have succeeded.'],
  [
    'AccessDeniedError',
    'key-unusable',
    'A dry run was refused: give the role the right to kms:AsymmetricSign on this key.',
  ],
  [
    'ValidationError',
    'key-unusable',
    "A dry run found the request wrong: check keyVersionId, the key's spec and the rule's algorithm.",
  ],
];

/**
 * What `code`, as Alibaba answers it, means. One that the table does not know is throttling with the status 429, an
 * outage with 5xx, else a refusal by whoever was asked.
 */
export function meaningOf(code: string, status: number, action: string): FailureMeaning {
  const isOfRole = action === 'AssumeRole';
  const refused = isOfRole ? roleRefused : keyRefused;
  // RAM answers it for every product; the row is about the role that cannot be assumed.
  if (code === 'NoPermission' && !isOfRole) return refused;
  const row = firstThatFits(keyFailureRows, code);
  if (row !== undefined) return row;
  if (status === 429) return { code: 'kms-throttled', advice: slower };
  return status >= 500 ? { code: 'kms-unreachable', advice: wait } : refused;
}

/** For everything that is not an answer of the service: timeouts, refused connections, bodies that are not JSON. */
const unreachable: FailureMeaning = {
  code: 'kms-unreachable',
  advice: 'Check that this machine reaches the endpoint (address, DNS, firewall, proxy); it is tried again.',
};

/** How the errors of KMS and STS are read. */
export const keyFailures: FailureReader = { meaningOf, unreachable };
