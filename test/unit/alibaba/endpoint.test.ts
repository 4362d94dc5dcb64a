import { describe, expect, it } from 'vitest';
import { isManagementAction, managementEndpoint, parseEndpoint } from '../../../src/alibaba/endpoint.ts';

describe('parseEndpoint', () => {
  it.each([
    ['kms.cn-hangzhou.aliyuncs.com', { protocol: 'https', host: 'kms.cn-hangzhou.aliyuncs.com' }],
    ['kms.example.com:8443', { protocol: 'https', host: 'kms.example.com:8443' }],
    ['http://127.0.0.1:8080', { protocol: 'http', host: '127.0.0.1:8080' }],
    ['http://127.0.0.1:8080/', { protocol: 'http', host: '127.0.0.1:8080' }],
    ['http://[::1]:8080', { protocol: 'http', host: '[::1]:8080' }],
  ])('reads %s', (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expected);
  });

  it.each([
    'http://kms.cn-hangzhou.aliyuncs.com',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://127.0.0.1:8080/path',
    'http://10.0.0.1',
    'http://127.0.0.1@example.com',
    'https://kms.cn-hangzhou.aliyuncs.com',
    'kms.example.com/path',
    'user@kms.example.com',
    'kms.example.com?x=y',
    '',
  ])('refuses %j', (text) => {
    expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'rules-invalid' }));
  });
});

describe('managementEndpoint', () => {
  const region = 'cn-hangzhou';
  const instance = 'kst-hzz123.cryptoservice.kms.aliyuncs.com';

  it('is the shared gateway of the region for a KMS instance', () => {
    expect(managementEndpoint({ endpoint: instance, region })).toBe('kms.cn-hangzhou.aliyuncs.com');
  });

  it('is the one that the rules name, such as the VPC address', () => {
    const vpc = 'kms-vpc.cn-hangzhou.aliyuncs.com';
    expect(managementEndpoint({ endpoint: instance, managementEndpoint: vpc, region })).toBe(vpc);
  });

  it.each(['kms-vpc.cn-hangzhou.aliyuncs.com', 'http://127.0.0.1:1', 'x.cryptoservice.kms.aliyuncs.com.example.com'])(
    'leaves %s as it is',
    (endpoint) => {
      expect(managementEndpoint({ endpoint, region })).toBe(endpoint);
    },
  );
});

describe('isManagementAction', () => {
  it.each([
    ['DescribeKey', true],
    ['ListKeyVersions', true],
    ['AsymmetricSign', false],
    ['AsymmetricVerify', false],
    ['GetPublicKey', false],
  ])('%s: %s', (action, expected) => {
    expect(isManagementAction(action)).toBe(expected);
  });
});
