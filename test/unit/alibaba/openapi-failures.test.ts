import { describe, expect, it } from 'vitest';
import { meaningOf } from '../../../src/alibaba/openapi-failures.ts';

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
    ['NoPermission', 403, 'role-refused'],
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

  it('does not take a longer word for a prefix', () => {
    expect(meaningOf('ForbiddenX', 400, 'AssumeRole').code).toBe('role-refused');
  });
});
