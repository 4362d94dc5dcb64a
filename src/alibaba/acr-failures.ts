import { AutosignError, type ErrorCode } from '../domain/errors.ts';
import { type FailureMeaning, type FailureReader, type FailureRow, firstThatFits } from './failure-table.ts';

const wait =
  'Nothing to do: it is tried again. If it lasts, look at the status of Container Registry and at the network.';
const slower = 'Too many calls of the OpenAPI in a short time for this account: it is tried again more slowly.';
const accessKey =
  'Check the access key of the identity that is used for this registry: it is wrong, disabled or deleted.';
const token =
  "The temporary credentials are over or damaged. Check the source of the worker's own identity, and this machine's clock.";
const clock = "This machine's clock differs from the service's by more than 15 minutes: set it.";
const instance = 'Check acr.instanceId, acr.region and the account of the identity that is used for this registry.';
const gone = 'Look whether the namespace or repository was deleted.';
const login =
  'Allow cr:GetAuthorizationToken to the worker\'s own identity, or to acr.roleArn where it is named; see README.md, "Registries".';
const permission =
  'Allow this action of cr: to the worker\'s own identity, or to acr.roleArn where it is named; see README.md, "Registries".';
const unknown = 'Container Registry refuses the request for a reason that is not known here.';

/**
 * What error codes of Container Registry's OpenAPI 2018-12-01 mean. The codes of all products are those of
 * https://www.alibabacloud.com/help/en/openapi/error-codes; the ones in capitals are answered by this product, with HTTP
 * 4xx or inside a 200, and are used by Alibaba's own Terraform provider.
 */
const rows: readonly FailureRow[] = [
  ['Throttling', 'registry-throttled', slower],
  ['Throttling.*', 'registry-throttled', slower],
  ['Rejected.Throttling', 'registry-throttled', slower],
  ['ServiceUnavailable', 'registry-unreachable', wait],
  ['ServiceUnavailableTemporary', 'registry-unreachable', wait],
  ['InternalError', 'registry-unreachable', wait],
  ['InternalFailure', 'registry-unreachable', wait],
  ['SignatureNonceUsed', 'registry-unreachable', wait],
  ['InvalidTimeStamp.*', 'registry-unreachable', clock],
  ['IllegalTimestamp', 'registry-unreachable', clock],
  ['InvalidAccessKeyId', 'registry-login-refused', accessKey],
  ['InvalidAccessKeyId.*', 'registry-login-refused', accessKey],
  ['SignatureDoesNotMatch', 'registry-login-refused', accessKey],
  ['IncompleteSignature', 'registry-login-refused', accessKey],
  ['Forbidden.AccessKey', 'registry-login-refused', accessKey],
  ['InvalidSecurityToken.*', 'registry-login-refused', token],
  ['INSTANCE_NOT_EXIST', 'registry-login-refused', instance],
  ['NAMESPACE_NOT_EXIST', 'not-found', gone],
  ['REPO_NOT_EXIST', 'not-found', gone],
  ['NoPrivilege', 'registry-denied', permission],
  ['NoPermission', 'registry-denied', permission],
  ['NoPermission.*', 'registry-denied', permission],
  ['Forbidden', 'registry-denied', permission],
  ['Forbidden.*', 'registry-denied', permission],
];

/** What is refused to the call that all others depend on is refused to the registry as a whole. */
const loginAction = 'GetAuthorizationToken';

function meaningOf(code: string, status: number, action: string): FailureMeaning {
  const meaning = firstThatFits(rows, code);
  if (meaning === undefined && status === 429) return { code: 'registry-throttled', advice: slower };
  if (meaning === undefined && status >= 500) return { code: 'registry-unreachable', advice: wait };
  const isLogin = action === loginAction;
  if (meaning === undefined) return { code: isLogin ? 'registry-login-refused' : 'registry-protocol', advice: unknown };
  const refusesLogin = isLogin && meaning.code === 'registry-denied';
  return refusesLogin ? { code: 'registry-login-refused', advice: login } : meaning;
}

const unreachable: FailureMeaning = {
  code: 'registry-unreachable',
  advice:
    "Check that this machine reaches Container Registry's OpenAPI (acr.endpoint, DNS, firewall); it is tried again.",
};

/** How errors of Container Registry's OpenAPI are read: each is about a registry. */
export const acrFailures: FailureReader = { meaningOf, unreachable };

/** What went wrong with the identity that a registry is used with is wrong with the registry, not with a key. */
const aboutTheRegistry: Partial<Record<ErrorCode, ErrorCode>> = {
  'credentials-missing': 'registry-login-refused',
  'role-refused': 'registry-login-refused',
  'kms-throttled': 'registry-throttled',
  'kms-unreachable': 'registry-unreachable',
};

/** The same failure of the worker's identity or of STS, as one of the registry that they were asked for. */
export function registryFailureOf(error: unknown): unknown {
  const code = error instanceof AutosignError ? aboutTheRegistry[error.code] : undefined;
  if (!(error instanceof AutosignError) || code === undefined) return error;
  const { message, retryAfterMs, requestId } = error;
  return new AutosignError(code, message, { cause: error, retryAfterMs, requestId });
}
