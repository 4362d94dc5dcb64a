import { describe, expect, it } from 'vitest';
import { allows, PolicyDocument, TrustPolicy, trusts } from '../../emulator/policy.ts';

const statement = { Effect: 'Allow', Action: 'kms:*', Resource: 'acs:kms:cn-hangzhou:1:*' };
const policy = (...statements: object[]) => PolicyDocument.parse({ Version: '1', Statement: statements });

describe('allows', () => {
  const key = 'acs:kms:cn-hangzhou:1:key/a';

  it('allows what one statement allows, actions without case', () => {
    expect(allows([policy(statement)], 'KMS:asymmetricsign', key)).toBe(true);
  });

  it.each([
    ['nothing allows it', [], key],
    ['the action differs', [policy({ ...statement, Action: 'kms:Describe*' })], key],
    ['the resource differs', [policy({ ...statement, Resource: [`${key}b`] })], key],
    ['the region differs', [policy(statement)], key.replace('hangzhou', 'beijing')],
    ['a dot in a pattern is no wildcard', [policy({ ...statement, Resource: 'acs.kms:cn-hangzhou:1:key/a' })], key],
    [
      'a Deny stands beside the Allow',
      [policy(statement), policy({ ...statement, Effect: 'Deny', Resource: '*' })],
      key,
    ],
  ])('refuses when %s', (_, policies, resource) => {
    expect(allows(policies, 'kms:AsymmetricSign', resource)).toBe(false);
  });
});

describe('trusts', () => {
  const arn = 'acs:ram::1:user/worker';
  const trust = (Principal: object, rest: object = {}) =>
    TrustPolicy.parse({ Version: '1', Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal, ...rest }] });
  const withId = { Condition: { StringEquals: { 'sts:ExternalId': 'id-1' } } };

  it.each([
    ['names it', trust({ RAM: [arn] }), undefined],
    ['names its account', trust({ RAM: 'acs:ram::1:root' }), undefined],
    ['asks for the external id it sends', trust({ RAM: [arn] }, withId), 'id-1'],
  ])('lets a user in when the policy %s', (_, document, externalId) => {
    expect(trusts(document, arn, externalId)).toBe(true);
  });

  it.each([
    ['names another user', trust({ RAM: [`${arn}2`] }), undefined],
    ['names another account', trust({ RAM: ['acs:ram::2:root'] }), undefined],
    ['trusts a service alone', trust({ Service: ['cr.aliyuncs.com'] }), undefined],
    ['asks for an external id and none is sent', trust({ RAM: [arn] }, withId), undefined],
    ['names another role of its account', trust({ RAM: ['acs:ram::1:role/worker'] }), undefined],
    [
      'denies it beside the Allow',
      TrustPolicy.parse({
        Version: '1',
        Statement: [
          { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { RAM: 'acs:ram::1:root' } },
          { Effect: 'Deny', Action: 'sts:AssumeRole', Principal: { RAM: arn } },
        ],
      }),
      undefined,
    ],
    ['asks for another external id', trust({ RAM: [arn] }, withId), 'id-2'],
  ])('keeps a user out when the policy %s', (_, document, externalId) => {
    expect(trusts(document, arn, externalId)).toBe(false);
  });
});

describe('the grammar of a trust policy', () => {
  const trusted = { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { RAM: 'acs:ram::1:root' } };

  it.each([
    ['an unknown operator', { ...trusted, Condition: { StringLike: { 'sts:ExternalId': 'id-*' } } }],
    ['an unknown key of a condition', { ...trusted, Condition: { StringEquals: { 'acs:SourceIp': '10.0.0.1' } } }],
    [
      'a condition beside the external id',
      { ...trusted, Condition: { StringEquals: { 'sts:ExternalId': 'id-1' }, Bool: { 'acs:MFAPresent': 'true' } } },
    ],
    ['NotPrincipal', { Effect: 'Allow', Action: 'sts:AssumeRole', NotPrincipal: { RAM: 'acs:ram::1:root' } }],
    ['no Principal', { Effect: 'Allow', Action: 'sts:AssumeRole' }],
    ['an unknown kind of principal', { ...trusted, Principal: { Federated: 'acs:ram::1:oidc-provider/x' } }],
    ['another action', { ...trusted, Action: 'sts:*' }],
    ['an ARN that is no principal', { ...trusted, Principal: { RAM: 'acs:ram::1:assumed-role/a/session' } }],
    ['a principal with a wildcard', { ...trusted, Principal: { RAM: 'acs:ram::1:role/*' } }],
  ])('refuses %s instead of ignoring it', (_, bad) => {
    expect(TrustPolicy.safeParse({ Version: '1', Statement: [bad] }).success).toBe(false);
  });
});

describe('the grammar', () => {
  it.each([
    ['an unknown Condition', { ...statement, Condition: { IpAddress: { 'acs:SourceIp': '10.0.0.0/8' } } }],
    ['NotAction', { Effect: 'Allow', NotAction: 'kms:*', Resource: '*' }],
    ['no Resource', { Effect: 'Allow', Action: 'kms:*' }],
    ['NotResource', { Effect: 'Allow', Action: 'kms:*', NotResource: '*' }],
    ['a Principal', { ...statement, Principal: { RAM: '*' } }],
    ['an unknown Effect', { ...statement, Effect: 'Maybe' }],
  ])('refuses %s instead of ignoring it', (_, bad) => {
    expect(PolicyDocument.safeParse({ Version: '1', Statement: [bad] }).success).toBe(false);
  });
});
