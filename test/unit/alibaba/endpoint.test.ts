import { describe, expect, it } from 'vitest';
import { managementEndpoint, parseEndpoint } from '../../../src/alibaba/endpoint.ts';

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
  it('is the shared gateway of the region for a KMS instance', () => {
    const instance = 'kst-hzz123.cryptoservice.kms.aliyuncs.com';
    expect(managementEndpoint(instance, 'cn-hangzhou')).toBe('kms.cn-hangzhou.aliyuncs.com');
  });

  it.each(['kms-vpc.cn-hangzhou.aliyuncs.com', 'http://127.0.0.1:1', 'x.cryptoservice.kms.aliyuncs.com.example.com'])(
    'leaves %s as it is',
    (endpoint) => {
      expect(managementEndpoint(endpoint, 'cn-hangzhou')).toBe(endpoint);
    },
  );
});
