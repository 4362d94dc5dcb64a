import type { FailureMeaning } from './failure-table.ts';
import { meaningOf } from './openapi-failures.ts';

const otherClientKey =
  'The KMS instance does not take the ClientKey: it was deleted, belongs to another instance, or its id and private key are not a pair. Make a new one in the KMS console and name its file in clientKeyFile.';
const permission =
  "The permission policy of the ClientKey's application access point must allow using this key. Look at it in the KMS console.";
const clock = "This machine's clock differs from the KMS instance's by more than 15 minutes: set it.";
const keyMissing = 'Check keyId and endpoint in the rules file: the key must be in this KMS instance.';
const keyRequest =
  "The KMS instance cannot do this with the key. Check that it is an asymmetric key for SIGN/VERIFY, its spec and the rule's algorithm.";
const protocol = 'The KMS instance does not speak the protocol of ClientKeys as documented. Check endpoint.';
const instanceQuota =
  'The KMS instance has more calls than its computing performance allows: it is tried again. If it lasts, raise the performance of the instance.';

/**
 * What is another matter at a KMS instance than at the shared gateway; every other code means the same
 * (https://www.alibabacloud.com/help/en/kms/key-management-service/developer-reference/common-error-codes-1).
 */
const meanings: Readonly<Record<string, FailureMeaning>> = {
  SignatureNotMatch: { code: 'credentials-missing', advice: otherClientKey },
  Unauthorized: { code: 'credentials-missing', advice: otherClientKey },
  RequestTimeTooSkewed: { code: 'kms-unreachable', advice: clock },
  'Forbidden.KeyNotFound': { code: 'key-unusable', advice: keyMissing },
  'Forbidden.AliasNotFound': { code: 'key-unusable', advice: keyMissing },
  'Forbidden.NoPermission': { code: 'key-unusable', advice: permission },
  UnsupportedOperation: { code: 'key-unusable', advice: keyRequest },
  InvalidApiName: { code: 'key-unusable', advice: protocol },
  InvalidApiVersion: { code: 'key-unusable', advice: protocol },
  InvalidParam: { code: 'key-unusable', advice: protocol },
  MissingParameter: { code: 'key-unusable', advice: protocol },
  'Rejected.Throttling': { code: 'kms-throttled', advice: instanceQuota },
};

/** Codes that the shared table knows; of any other its last word is about the policies of a role. */
const sharedCodes =
  /^(?:Forbidden|InternalFailure|InvalidParameter|Rejected|ServiceUnavailable|Throttling|Unsupported)/;

/** What `code`, as a KMS instance answers it with this HTTP status, means. */
export function instanceMeaningOf(code: string, status: number, apiName: string): FailureMeaning {
  const own = Object.hasOwn(meanings, code) ? meanings[code] : undefined;
  if (own !== undefined) return own;
  if (status === 429 || status >= 500 || sharedCodes.test(code)) return meaningOf(code, status, apiName);
  return { code: 'key-unusable', advice: protocol };
}
