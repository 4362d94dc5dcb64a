import { expect, test } from 'vitest';
import { resolveOnSameOrigin, resolveRedirect } from '../../../src/registry/target-check.ts';

const registry = new URL('https://registry.example.com');
const base = new URL('https://registry.example.com/v2/team/app/blobs/uploads/');

test.each([
  ['/v2/x?_state=a%2Fb', 'https://registry.example.com/v2/x?_state=a%2Fb'],
  ['https://registry.example.com/v2/x', 'https://registry.example.com/v2/x'],
  ['https://REGISTRY.example.com:443/v2/x', 'https://registry.example.com/v2/x'],
])('stays with the registry: %s', (text, expected) => {
  expect(resolveOnSameOrigin(text, base, 'POST').href).toBe(expected);
});

test.each([
  'https://elsewhere.example/v2/x',
  'http://registry.example.com/v2/x',
  'https://registry.example.com:8443/v2/x',
  '//elsewhere.example/v2/x',
  '\\\\elsewhere.example\\v2',
  'https://registry.example.com.elsewhere.example/',
  'https://user@registry.example.com/v2/x',
  'https://:secret@registry.example.com/v2/x',
])('refuses to send an upload or a listing to %s', (text) => {
  expect(() => resolveOnSameOrigin(text, base, 'POST')).toThrow(expect.objectContaining({ code: 'host-refused' }));
});

test.each(['file:///etc/passwd', 'ftp://registry.example.com/', 'https://', 'data:,x'])(
  'refuses %s, which is no http address',
  (text) => {
    expect(() => resolveOnSameOrigin(text, base, 'POST')).toThrow(
      expect.objectContaining({ code: 'registry-protocol' }),
    );
  },
);

test.each([
  'https://bucket.oss-cn-hangzhou.aliyuncs.com/blob?Signature=x',
  'https://bucket.oss-cn-hangzhou-internal.aliyuncs.com/blob',
  'https://8.8.8.8/blob',
  'https://[2400:3200::1]/blob',
  '/blob',
])('follows a blob to %s', (text) => {
  expect(() => resolveRedirect(text, base, registry, 'GET')).not.toThrow();
});

test.each([
  'http://bucket.oss-cn-hangzhou.aliyuncs.com/blob',
  'http://registry.example.com/blob',
  'https://127.0.0.1/',
  'https://0x7f.1/',
  'https://2130706433/',
  'https://127.0.0.1./',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://a.localhost/',
  'https://0.0.0.0/',
  'https://10.1.2.3/',
  'https://172.31.255.255/',
  'https://192.168.1.1/',
  'https://169.254.169.254/latest/meta-data',
  'https://100.100.100.200/latest/meta-data',
  'https://[::1]/',
  'https://[::]/',
  'https://[fe80::1]/',
  'https://[fd00::1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://user:secret@bucket.example.com/',
])('does not follow a blob to %s', (text) => {
  expect(() => resolveRedirect(text, base, registry, 'GET')).toThrow(expect.objectContaining({ code: 'host-refused' }));
});

test('a registry on this machine may redirect to this machine, and to no other private address', () => {
  const local = new URL('http://127.0.0.1:5000');
  expect(resolveRedirect('http://127.0.0.1:9000/blob', local, local, 'GET').port).toBe('9000');
  expect(() => resolveRedirect('http://10.0.0.1/blob', local, local, 'GET')).toThrow('not followed');
  expect(() => resolveRedirect('http://bucket.example.com/blob', local, local, 'GET')).toThrow('not followed');
  const localTls = new URL('https://127.0.0.1:5000');
  expect(() => resolveRedirect('http://127.0.0.1:9000/blob', localTls, localTls, 'GET')).toThrow('not followed');
});
