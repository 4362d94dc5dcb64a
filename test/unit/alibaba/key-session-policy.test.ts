import { describe, expect, it } from 'vitest';
import { keySessionPolicy } from '../../../src/alibaba/key-session-policy.ts';

const source = { region: 'cn-hangzhou', keyId: 'key-1', roleArn: 'acs:ram::123:role/Signer' };

describe('keySessionPolicy', () => {
  it('allows three actions on one key of the role’s account', () => {
    expect(JSON.parse(keySessionPolicy(source))).toEqual({
      Version: '1',
      Statement: [
        {
          Effect: 'Allow',
          Action: ['kms:AsymmetricSign', 'kms:GetPublicKey', 'kms:DescribeKey'],
          Resource: ['acs:kms:cn-hangzhou:123:key/key-1'],
        },
      ],
    });
  });

  it.each([
    ['a key id with a wildcard', { keyId: '*' }],
    ['a region with a wildcard', { region: '*' }],
    ['a user’s ARN', { roleArn: 'acs:ram::123:user/x' }],
    ['an ARN without an account', { roleArn: 'acs:ram::role/x' }],
    ['a key id that makes it too long', { keyId: 'k'.repeat(1000) }],
  ])('refuses %s', (_, change) => {
    expect(() => keySessionPolicy({ ...source, ...change })).toThrow(
      expect.objectContaining({ code: 'rules-invalid' }),
    );
  });
});
