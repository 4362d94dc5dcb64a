import { describe, expect, test } from 'vitest';
import { createAllowedHosts } from '../../../src/dashboard/allowed-hosts.ts';

const direct = createAllowedHosts({ adminHost: 'worker-1.internal', publicUrl: undefined });
const proxied = createAllowedHosts({ adminHost: '127.0.0.1', publicUrl: new URL('https://ops.example.com') });

describe('a request was meant for us', () => {
  test.each([
    ['127.0.0.1:9090', direct],
    ['10.1.2.3', direct],
    ['[::1]:9090', direct],
    ['localhost:9090', direct],
    ['LOCALHOST', direct],
    ['worker-1.internal:9090', direct],
    ['ops.example.com', proxied],
    ['OPS.example.com', proxied],
    ['127.0.0.1:9090', proxied],
  ])('with the host %s', (host, hosts) => {
    expect(hosts.isOurs(host)).toBe(true);
  });

  test.each([
    [undefined, direct],
    ['', direct],
    ['evil.example', direct],
    ['evil.example:9090', direct],
    ['127.0.0.1.evil.example', direct],
    ['localhost.evil.example', direct],
    ['127.0.0.1@evil.example', direct],
    ['evil.example#127.0.0.1', direct],
    ['ops.example.com', direct],
    ['ops.example.com:8443', proxied],
    ['ops.example.com.evil.example', proxied],
  ])('but not with the host %s', (host, hosts) => {
    expect(hosts.isOurs(host)).toBe(false);
  });
});

describe('a change comes from a page of ours', () => {
  test.each([
    ['http://127.0.0.1:9090', '127.0.0.1:9090', direct],
    ['http://localhost:9090', 'localhost:9090', direct],
    ['https://ops.example.com', 'ops.example.com', proxied],
    ['http://127.0.0.1:9090', '127.0.0.1:9090', proxied],
  ])('with the origin %s at the host %s', (origin, host, hosts) => {
    expect(hosts.isSameOrigin(origin, host)).toBe(true);
  });

  test.each([
    [undefined, '127.0.0.1:9090', direct],
    ['null', '127.0.0.1:9090', direct],
    ['http://127.0.0.1:8080', '127.0.0.1:9090', direct],
    ['https://127.0.0.1:9090', '127.0.0.1:9090', direct],
    ['http://evil.example', '127.0.0.1:9090', direct],
    ['http://ops.example.com', 'ops.example.com', proxied],
    ['https://evil.example', 'ops.example.com', proxied],
  ])('but not with the origin %s at the host %s', (origin, host, hosts) => {
    expect(hosts.isSameOrigin(origin, host)).toBe(false);
  });
});

test('only behind https are cookies kept off http', () => {
  expect(proxied.isSecure('ops.example.com')).toBe(true);
  expect(proxied.isSecure('127.0.0.1:9090')).toBe(false);
  expect(direct.isSecure('localhost:9090')).toBe(false);
});
