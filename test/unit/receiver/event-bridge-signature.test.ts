import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  findSignedForm,
  readSignedDelivery,
  type SignedDelivery,
} from '../../../src/receiver/event-bridge-signature.ts';

// Made by a few lines of Python and `openssl dgst -sha256 -sign`, without any code of this project.
const golden = {
  url: 'https://hooks.example.com/in/webhooks/eventbridge/prod?from=eb',
  body: Buffer.from('{"id":"45ef4dew-7c35","note":"镜像"}'),
  timestamp: 1_777_258_182_789,
  documented:
    'FpZwpcC/m0y2ivCAxv0gXD1+r2Nq8eG3F7IuqHf/JbHidhlf5fNqOgs7KDU04QiTJ3+l2+8GBZoAWvlubHs1+rly118EhXNq2RaMoPc0fSarkT5fv+zOdbBkqbw+Wiz8oethycc02DVmBTEzoCi9rRsLNSI7/Kb4XVGhAjJLDeiqzxQPnanOEkomYjY3oe7E11qsuHHexA6wKq6yobG2aWxAi4EzLfQSWJJbJvi1xTlr5KyOv4UYm1imlhSiRyBLspI2jEhxlToHuw6eE6PGsBuSer96KWY2NK4U95QXCosV8EtSVsxhkUr2S2oZ0lQBi1uAzIkHHA76JK7fft3peg==',
  withLineFeed:
    'TjEy0vzQzH+hPHAHTSVRW5M1/IGTRgW0AyxQpsz0CwmD4zQJXuZDGpARz04ZdDCAqca3BIMHv+ITgJgymZfw4h46aSMKHmmoaG6Zu7+CQzjFeBmQCa66cfD/z7gntLtryqwQqqUlVYCeF3T6LC5PxTXvgP85mPnOV3R5q4POZvIIUygMjH4/Xm3Jug9m4JStFJ8sPq3SJpGL0B+Ml/zI+Qyq32kmCZCMPD0VYrn7RKKhj7SyGBwXvEYDDa6HjPfrdCl8mSMGCcTgxKEmn5Im5Z2bkOW48s0QFgaAE+DWW6mMKdkgh39BYqQuyO12c4t9XuSS+ZGe6ZXihRizrShW2A==',
};
const key = createPublicKey(`-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApr2jLfMtNAXvritExyWA
Pl+QYUYu8DZNTELfeXsLfLcVfOrpGKwxmHX9ApYVpvPNjkZfyIIWECbAin9K74EU
agLS5NiylrHycVm/weJKsLLM5DcBiRlQcgKJmyF0ybHfuqv6Oo5P5KC/KFVPgp5Y
ZhQ/TbBhaaWooHi8e49LoOtqGkHwcHOovnggksI8nSQpbqxKgAd2TwS+BUOegUU9
aqe4HlnquCnQfYu3cx9HP/fdlBo+2gE6z/M5qsIl5sStz84QmW/QW/lj3/ZXmqdZ
ArRYCApyiKpsWdCWcJAClqq8Ki7HvSLbBlPsakl80FaBJutTAcjNnXAJZYu2P8nX
KQIDAQAB
-----END PUBLIC KEY-----`);
const stranger = createPublicKey(`-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMJWGQ4B/dyZgpL7st+rRAuFKFlHX0++
XxZHxMiivFh91qNRiKHSZg2PExn6l3tXuYErM731CHC5Q37kxK44N9sCAwEAAQ==
-----END PUBLIC KEY-----`);

const headers: Readonly<Record<string, string>> = {
  'x-eventbridge-signature-timestamp': String(golden.timestamp),
  'x-eventbridge-hash-method': 'SHA256',
  'x-eventbridge-signature-version': '1.0',
  'x-eventbridge-signature-url':
    'https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_2021012501.pem',
  'x-eventbridge-signature-token': 'golden-token',
  'x-eventbridge-signature-v2': golden.documented,
};

function read(changes: Readonly<Record<string, string | undefined>> = {}, nowMs = golden.timestamp) {
  return readSignedDelivery({ ...headers, ...changes }, { region: 'cn-hangzhou', now: new Date(nowMs) });
}

function delivery(changes: Readonly<Record<string, string>> = {}): SignedDelivery {
  const found = read(changes);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

describe('a signature that openssl made of the documented text', () => {
  test('fits', () => {
    expect(findSignedForm([key], delivery(), golden)).toBe('body');
    expect(delivery().certificateUrl.href).toBe(headers['x-eventbridge-signature-url']);
  });

  test("fits with a line feed after the body, as Alibaba's own library builds the text", () => {
    expect(findSignedForm([key], delivery({ 'x-eventbridge-signature-v2': golden.withLineFeed }), golden)).toBe(
      'body-and-line-feed',
    );
  });

  test('fits by one of two keys', () => {
    expect(findSignedForm([stranger, key], delivery(), golden)).toBe('body');
    expect(findSignedForm([stranger], delivery(), golden)).toBeUndefined();
    expect(findSignedForm([], delivery(), golden)).toBeUndefined();
  });

  test('does not fit a body of which any one byte is another, is missing or is one more', () => {
    for (let index = 0; index < golden.body.length; index += 1) {
      const changed = Buffer.from(golden.body);
      changed[index] = (changed[index] ?? 0) ^ 1;
      const shorter = Buffer.concat([golden.body.subarray(0, index), golden.body.subarray(index + 1)]);
      const longer = Buffer.concat([golden.body.subarray(0, index), Buffer.from(' '), golden.body.subarray(index)]);
      for (const body of [changed, shorter, longer]) {
        expect(findSignedForm([key], delivery(), { url: golden.url, body })).toBeUndefined();
      }
    }
  });

  test.each([
    'https://hooks.example.com/in/webhooks/eventbridge/prod',
    'https://hooks.example.com/in/webhooks/eventbridge/prod?from=ec',
    'https://hooks.example.com/in/webhooks/eventbridge/prod?from=eb&',
    'http://hooks.example.com/in/webhooks/eventbridge/prod?from=eb',
    'https://hooks.example.com:443/in/webhooks/eventbridge/prod?from=eb',
    'http://127.0.0.1:8080/webhooks/eventbridge/prod?from=eb',
  ])('does not fit the target %s', (url) => {
    expect(findSignedForm([key], delivery(), { url, body: golden.body })).toBeUndefined();
  });

  test.each([
    ['x-eventbridge-signature-timestamp', String(golden.timestamp + 1)],
    ['x-eventbridge-signature-url', 'https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/other.pem'],
    ['x-eventbridge-signature-token', 'another-token'],
    ['x-eventbridge-signature-v2', golden.withLineFeed.replace('T', 'U')],
    ['x-eventbridge-signature-v2', golden.documented.slice(0, -4)],
    ['x-eventbridge-signature-v2', 'AAAA'],
  ])('does not fit another %s', (name, value) => {
    expect(findSignedForm([key], delivery({ [name]: value }), golden)).toBeUndefined();
  });
});

describe('the time of a delivery', () => {
  test.each([-60_000, -1, 0, 60_000])('%d ms from here is taken', (apart) => {
    expect(read({}, golden.timestamp + apart)).toBeTypeOf('object');
  });

  test.each([-86_400_000, -60_001, 60_001, 3_600_000])('%d ms from here is refused', (apart) => {
    expect(read({}, golden.timestamp + apart)).toMatch(/more than 60 seconds/);
  });

  test.each([
    undefined,
    '',
    '0',
    '-1',
    '1777258182',
    '1777258182789.5',
    '17772581827890',
    '0x1777258182',
    ' 1777258182789',
  ])('written as %j is refused', (timestamp) => {
    expect(read({ 'x-eventbridge-signature-timestamp': timestamp })).toMatch(/is not a time/);
  });
});

describe('headers that are refused, with the reason', () => {
  const older = {
    'x-eventbridge-signature': 'okK0HtfrD9y1xX0UuhKxR0DILgc=',
    'x-eventbridge-signature-method': 'HMAC-SHA1',
    'x-eventbridge-signature-secret': 'c2VjcmV0',
  };
  test.each([
    ['no signature', { 'x-eventbridge-signature-v2': undefined }, 'signature-v2 is missing'],
    ['the older signature alone', { ...older, 'x-eventbridge-signature-v2': undefined }, 'HMAC-SHA1, is not accepted'],
    ['a signature that is no base64', { 'x-eventbridge-signature-v2': 'a_b-' }, 'is not base64'],
    ['an empty signature', { 'x-eventbridge-signature-v2': '' }, 'is missing'],
    ['two signatures', { 'x-eventbridge-signature-v2': 'AAAA, AAAA' }, 'is not base64'],
    ['no hash', { 'x-eventbridge-hash-method': undefined }, 'hash-method is not SHA256'],
    ['SHA1', { 'x-eventbridge-hash-method': 'SHA1' }, 'hash-method is not SHA256'],
    ['sha256', { 'x-eventbridge-hash-method': 'sha256' }, 'hash-method is not SHA256'],
    ['no version', { 'x-eventbridge-signature-version': undefined }, 'version is not 1.0'],
    ['version 2.0', { 'x-eventbridge-signature-version': '2.0' }, 'version is not 1.0'],
    ['no certificate', { 'x-eventbridge-signature-url': undefined }, 'not a certificate of EventBridge in cn-hangzhou'],
    [
      'a certificate elsewhere',
      { 'x-eventbridge-signature-url': 'https://evil.example.com/x.pem' },
      'not a certificate',
    ],
  ])('%s', (_what, changes, reason) => {
    expect(read(changes)).toContain(reason);
  });

  test('both signatures: the newer one counts', () => {
    expect(findSignedForm([key], delivery(older), golden)).toBe('body');
  });
});
