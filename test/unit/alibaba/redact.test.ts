import { describe, expect, it } from 'vitest';
import { redact, secretsOf } from '../../../src/alibaba/redact.ts';

describe('redact', () => {
  it('removes secrets in plain and in URL encoding', () => {
    expect(redact('token a+b/c= sent as a%2Bb%2Fc%3D', ['a+b/c='])).toBe('token … sent as …');
  });

  it('removes the query of a URL', () => {
    const text = 'connect ECONNREFUSED POST http://127.0.0.1:1/?ExternalId=x&RoleArn=y failed.';
    expect(redact(text, [])).toBe('connect ECONNREFUSED POST http://127.0.0.1:1/?… failed.');
  });

  it('cuts what is too long after the secrets are gone', () => {
    const text = redact(`${'x'.repeat(295)}secret-value${'y'.repeat(500)}`, ['secret-value']);
    expect(text.length).toBeLessThanOrEqual(301);
    expect(text).not.toContain('secr');
  });
});

describe('secretsOf', () => {
  it('leaves out what is not there, so that nothing is replaced everywhere', () => {
    const key = { accessKeyId: 'id', accessKeySecret: 's', securityToken: undefined, expiration: undefined };
    expect(secretsOf(key, undefined)).toEqual(['s']);
    expect(secretsOf({ ...key, securityToken: '' }, 'e')).toEqual(['s', 'e']);
  });
});
