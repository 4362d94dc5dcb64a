import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readPublicKeys } from '../../../src/receiver/read-public-keys.ts';

// By openssl: one RSA key of 2,048 bits as SPKI and in a certificate, one of 512 bits, one of P-256.
const spki = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApr2jLfMtNAXvritExyWA
Pl+QYUYu8DZNTELfeXsLfLcVfOrpGKwxmHX9ApYVpvPNjkZfyIIWECbAin9K74EU
agLS5NiylrHycVm/weJKsLLM5DcBiRlQcgKJmyF0ybHfuqv6Oo5P5KC/KFVPgp5Y
ZhQ/TbBhaaWooHi8e49LoOtqGkHwcHOovnggksI8nSQpbqxKgAd2TwS+BUOegUU9
aqe4HlnquCnQfYu3cx9HP/fdlBo+2gE6z/M5qsIl5sStz84QmW/QW/lj3/ZXmqdZ
ArRYCApyiKpsWdCWcJAClqq8Ki7HvSLbBlPsakl80FaBJutTAcjNnXAJZYu2P8nX
KQIDAQAB
-----END PUBLIC KEY-----
`;
const certificate = `-----BEGIN CERTIFICATE-----
MIIDBTCCAe2gAwIBAgIUBtmlf3lnE12n7/2Sd4aq3RWUFNgwDQYJKoZIhvcNAQEL
BQAwETEPMA0GA1UEAwwGZ29sZGVuMCAXDTI2MTEyODE1MjM0NloYDzIxMjYxMTA0
MTUyMzQ2WjARMQ8wDQYDVQQDDAZnb2xkZW4wggEiMA0GCSqGSIb3DQEBAQUAA4IB
DwAwggEKAoIBAQCmvaMt8y00Be+uK0THJYA+X5BhRi7wNk1MQt95ewt8txV86ukY
rDGYdf0ClhWm882ORl/IghYQJsCKf0rvgRRqAtLk2LKWsfJxWb/B4kqwsszkNwGJ
GVByAombIXTJsd+6q/o6jk/koL8oVU+CnlhmFD9NsGFppaigeLx7j0ug62oaQfBw
c6i+eCCSwjydJClurEqAB3ZPBL4FQ56BRT1qp7geWeq4KdB9i7dzH0c/992UGj7a
ATrP8zmqwiXmxK3PzhCZb9Bb+WPf9leap1kCtFgICnKIqmxZ0JZwkAKWqrwqLse9
ItsGU+xqSXzQVoEm61MByM2dcAlli7Y/ydcpAgMBAAGjUzBRMB0GA1UdDgQWBBTL
sZ0NrxicgcICP4w5XfDEh/SE8DAfBgNVHSMEGDAWgBTLsZ0NrxicgcICP4w5XfDE
h/SE8DAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAQlGfcz/84
kRol72mmcFoT+hlKFoIzL709tupjb8UbynFfrcuH4Hhz+alD9OnQPQvZmjrlbu+J
EPe+6ESPcJi0XcH2P4w+xtSrYDjTiDKQ1ATp9+BilHe4VUUWgh6GXRR518WOkRhL
V5WRmLGKgSg7U8u/bOdlagcfeSyPpPzdw4UWYGNN8uJBQ/tkmVgC/EUM72nSVN2S
H7rZYqWvQJX3+h0lHP98YoDfWq5enFR8cJ6ozKOzOsDmbMfBUdk4XgnuHTVNc0D/
h0cMLADasz6oye9vQG1JcloX1oqCvRUNhzgQDMlq3qHS6aYFx+CFZmUIWZc+TZHV
UCY4D8ed+FE7
-----END CERTIFICATE-----
`;
const short = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMJWGQ4B/dyZgpL7st+rRAuFKFlHX0++
XxZHxMiivFh91qNRiKHSZg2PExn6l3tXuYErM731CHC5Q37kxK44N9sCAwEAAQ==
-----END PUBLIC KEY-----
`;
const ecdsa = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5W25ELk3oSXfmEsUoiwVflUfzue0
t82z72fAbj5zSMbgiKKMJ0SsC4RUOUKbbc3sw/fnrtPudFVN999VoQMZvw==
-----END PUBLIC KEY-----
`;
const spkiOf = (pem: string) => readPublicKeys(pem).map((key) => key.export({ type: 'spki', format: 'pem' }));

describe('a PEM text', () => {
  test.each([
    ['a bare key', spki, 1],
    ['a certificate', certificate, 1],
    ['with text around it', `subject=CN = golden\n${certificate}\nmore`, 1],
    ['with other line ends', certificate.replaceAll('\n', '\r\n'), 1],
    ['with an old and a new one', certificate + spki, 2],
  ])('%s gives its key', (_what, pem, count) => {
    expect(spkiOf(pem)).toEqual(Array.from({ length: count }, () => spki));
  });

  test('with a key of 1,024 bits is taken: EventBridge had such ones', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    expect(readPublicKeys(String(publicKey.export({ type: 'spki', format: 'pem' })))).toHaveLength(1);
  });

  test.each([
    ['nothing', '', 'no certificate and no public key'],
    ['a page', '<html>not found</html>', 'no certificate and no public key'],
    [
      'a private key',
      '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
      'no certificate and no public key',
    ],
    ['half a certificate', certificate.slice(0, 500), 'no certificate and no public key'],
    ['a short RSA key', short, 'not an RSA key of 1024 to 8192 bits'],
    ['an EC key', ecdsa, 'not an RSA key'],
    ['a good and a bad key', spki + ecdsa, 'not an RSA key'],
    ['bytes that are no certificate', certificate.replace('MIID', 'AAAA'), ''],
  ])('with %s is refused', (_what, pem, message) => {
    expect(() => readPublicKeys(pem)).toThrow(message);
  });
});
