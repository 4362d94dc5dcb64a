import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { keyFailureRows, meaningOf } from '../../../src/alibaba/openapi-failures.ts';
import { failureTable } from '../../../src/domain/errors.ts';

describe('meaningOf', () => {
  it.each([
    ['Rejected.Throttling', 400, 'kms-throttled'],
    ['Throttling.User', 400, 'kms-throttled'],
    ['ServiceUnavailableTemporary', 503, 'kms-unreachable'],
    ['InternalFailure', 500, 'kms-unreachable'],
    ['InternalError', 500, 'kms-unreachable'],
    ['InvalidTimeStamp.Expired', 400, 'kms-unreachable'],
    ['Forbidden.KeyNotFound', 404, 'key-unusable'],
    ['Forbidden.KeyVersionNotFound', 404, 'key-unusable'],
    ['Forbidden.NoPermission', 403, 'key-unusable'],
    ['Forbidden.InDebt', 403, 'key-unusable'],
    ['Rejected.Disabled', 409, 'key-unusable'],
    ['Rejected.PendingDeletion', 409, 'key-unusable'],
    ['InvalidParameter', 400, 'key-unusable'],
    ['NoPermission', 403, 'key-unusable'],
    ['EntityNotExist.Role', 404, 'role-refused'],
    ['InvalidParameter.PolicyGrammar', 400, 'role-refused'],
    ['InvalidSecurityToken.Expired', 400, 'credentials-missing'],
    ['SignatureDoesNotMatch', 400, 'credentials-missing'],
    ['InvalidAccessKeyId.NotFound', 404, 'credentials-missing'],
  ])('%s (HTTP %i) means %s', (code, status, expected) => {
    expect(meaningOf(code, status, 'AsymmetricSign').code).toBe(expected);
  });

  it('gives every meaning an advice', () => {
    expect(meaningOf('Rejected.Disabled', 409, 'AsymmetricSign').advice).toContain('Enable the key');
    expect(meaningOf('SignatureDoesNotMatch', 400, 'AssumeRole').advice).toContain('access key');
  });

  it('takes an unknown code with a 5xx status for an outage', () => {
    expect(meaningOf('Brand.New', 502, 'AssumeRole').code).toBe('kms-unreachable');
  });

  it('takes an unknown code with a 4xx status for a refusal by whoever was asked', () => {
    expect(meaningOf('Brand.New', 400, 'AssumeRole').code).toBe('role-refused');
    expect(meaningOf('Brand.New', 400, 'AsymmetricSign').code).toBe('key-unusable');
  });

  it('takes an unknown code with status 429 for throttling, whoever was asked', () => {
    expect(meaningOf('Brand.New', 429, 'AssumeRole').code).toBe('kms-throttled');
    expect(meaningOf('Brand.New', 429, 'AsymmetricSign').code).toBe('kms-throttled');
  });

  it('speaks of trust where a role cannot be assumed, and of the right to the key where KMS refuses', () => {
    expect(meaningOf('NoPermission', 403, 'AssumeRole')).toMatchObject({
      code: 'role-refused',
      advice: expect.stringContaining('trust policy'),
    });
    expect(meaningOf('NoPermission', 403, 'AsymmetricSign')).toEqual(
      meaningOf('Forbidden.NoPermission', 403, 'AsymmetricSign'),
    );
  });

  it('does not take a longer word for a prefix', () => {
    expect(meaningOf('ForbiddenX', 400, 'AssumeRole').code).toBe('role-refused');
  });
});

/** Every code that the public documents of KMS and STS name for what we call. */
const documented = `
  InvalidAccessKeyId.NotFound Forbidden.KeyNotFound Forbidden.KeyVersionNotFound Forbidden.AliasNotFound
  Forbidden.NoPermission Forbidden.AccessKey Forbidden.KmsServiceNotEnabled Forbidden.InDebt Forbidden.InDebtOverdue
  Forbidden.ProhibitedByRiskControl UnsupportedHTTPMethod MissingParameter InvalidParameter IncompleteSignature
  IllegalTimestamp Unsupported.Origin Unsupported.Alias Unsupported.ProtectionLevel Rejected.LimitExceeded
  Rejected.Disabled Rejected.PendingDeletion Rejected.PendingImport Rejected.StateModifiedFailed InternalFailure
  ServiceUnavailableTemporary Rejected.Throttling DryRunOperationError ValidationError AccessDeniedError
  InvalidParameter.RoleArn InvalidParameter.RoleSessionName InvalidParameter.DurationSeconds
  InvalidParameter.PolicyGrammar InvalidParameter.PolicySize NoPermission EntityNotExist.Role InternalError
  InvalidSecurityToken.Expired InvalidSecurityToken.Malformed InvalidSecurityToken.MismatchWithAccessKey
  SignatureDoesNotMatch SignatureNonceUsed InvalidTimeStamp.Expired Throttling`
  .trim()
  .split(/\s+/);

describe('the table', () => {
  it('has a row for every documented code, with a sentence of its own', () => {
    const patterns = keyFailureRows.map(([pattern]) => pattern);
    expect(documented.filter((code) => !patterns.includes(code))).toEqual([]);
    const advices = keyFailureRows.map(([, , advice]) => advice);
    expect(advices.filter((advice, index) => advices.indexOf(advice) !== index)).toEqual([]);
  });

  it('says what to do in one or two sentences', () => {
    for (const [, , advice] of keyFailureRows) expect(advice).toMatch(/^[A-Z].{20,170}\.$/);
  });

  it('has no row that an earlier one hides', () => {
    for (const [pattern, , advice] of keyFailureRows) {
      expect(meaningOf(pattern.replace('.*', '.Anything'), 400, 'AssumeRole').advice).toBe(advice);
    }
  });

  it('makes jobs wait whatever the code: nothing of KMS or STS is the fault of an image', () => {
    for (const [, code] of keyFailureRows)
      expect(failureTable[code]).toMatchObject({ kind: 'surroundings', scope: 'key' });
  });

  it('is what docs/alibaba-errors.md shows', async () => {
    const text = await readFile(new URL('../../../docs/alibaba-errors.md', import.meta.url), 'utf8');
    const rows = keyFailureRows.map(([pattern, code, advice]) => `| \`${pattern}\` | \`${code}\` | ${advice} |`);
    expect(text.match(/^\| `.*$/gm)).toEqual(rows);
  });
});
