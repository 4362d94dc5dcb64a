import { expect, test } from 'vitest';
import { findWebhookUrlFault } from '../../../src/rules/webhook-url.ts';

test.each([
  'https://hooks.example.com',
  'https://hooks.example.com:443/',
  'https://hooks.example.com/behind/a/proxy',
  'http://hooks.example.com',
  'http://203.0.113.7:21',
  'http://hooks.example.com:777',
  'http://hooks.example.com:1025',
  'http://[2001:db8::1]:65535',
  'http://127.0.0.1:8080',
])('ACR can call %s', (url) => {
  expect(findWebhookUrlFault(url)).toBeUndefined();
});

test.each([
  ['https://hooks.example.com:1025', 'by https'],
  ['http://hooks.example.com:25', 'does not call'],
  ['http://hooks.example.com:1024', 'does not call'],
  ['http://hooks.example.com:65536', 'not the URL'],
  ['http://', 'not the URL'],
  ['https://hooks example.com', 'not the URL'],
  ['HTTPS://hooks.example.com', 'not the URL'],
])('ACR cannot call %s: %s', (url, reason) => {
  expect(findWebhookUrlFault(url)).toContain(reason);
});
