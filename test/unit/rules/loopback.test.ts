import { expect, test } from 'vitest';
import { isLoopbackHost } from '../../../src/rules/loopback.ts';

test.each(['localhost', 'LOCALHOST:5000', '127.0.0.1', '127.255.3.4:80', '[::1]', '[::1]:5000'])(
  '%s is this machine',
  (host) => {
    expect(isLoopbackHost(host)).toBe(true);
  },
);

test.each([
  'localhost.example.com',
  '127.0.0.1.example.com',
  '127.0.0.256',
  '127.0.0',
  '127.1',
  '0.0.0.0',
  '10.0.0.1',
  '[::2]',
  '[::ffff:127.0.0.1]',
  'example.com:127',
  '',
])('%s is not this machine', (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});
