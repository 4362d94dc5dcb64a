import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { clientKeyOf, readClientKeyFile } from '../../../src/alibaba/client-key.ts';
import { makeClientKey } from '../../support/client-keys.ts';

const made = makeClientKey();
const dayMs = 24 * 3600 * 1000;

describe('the file of a ClientKey', () => {
  it.each(['PBE-SHA1-3DES', 'PBE-SHA1-RC2-40', 'AES-256-CBC'] as const)(
    'with bags that OpenSSL encrypted by %s gives id, private key and end',
    (encryption) => {
      const { id, password, privateKeyPem, fileText } = makeClientKey({ encryption, days: 20 });
      const read = readClientKeyFile(fileText, password);
      expect(read.id).toBe(id);
      expect(read.privateKey.equals(createPrivateKey(privateKeyPem))).toBe(true);
      const daysLeft = ((read.notAfter?.getTime() ?? 0) - Date.now()) / dayMs;
      expect(daysLeft).toBeGreaterThan(19);
      expect(daysLeft).toBeLessThan(21);
    },
  );

  const damaged = (change: (der: Buffer) => Buffer) => {
    const der = Buffer.from(JSON.parse(made.fileText).PrivateKeyData, 'base64');
    return JSON.stringify({ KeyId: made.id, PrivateKeyData: change(der).toString('base64') });
  };
  const flipped = (der: Buffer) => {
    const copy = Buffer.from(der);
    copy[Math.floor(copy.length / 2)] = (copy[Math.floor(copy.length / 2)] ?? 0) ^ 0xff;
    return copy;
  };
  it.each([
    ['a wrong password', made.fileText, 'not-the-password', 'cannot be opened with this password'],
    ['no password', made.fileText, '', 'cannot be opened with this password'],
    ['a PKCS#12 that is cut off', damaged((der) => der.subarray(0, -100)), made.password, 'damaged PKCS#12'],
    ['a flipped byte', damaged(flipped), made.password, 'cannot be opened with this password'],
    ['bytes that are no PKCS#12', damaged(() => Buffer.from('hello')), made.password, 'damaged PKCS#12'],
    ['text that is not JSON', '-----BEGIN PRIVATE KEY-----', made.password, 'is not JSON'],
    ['another JSON', '{"keys":[]}', made.password, '(KeyId, PrivateKeyData)'],
    ['an id that is no header', made.fileText.replace(made.id, 'KAAP\\r\\nx-evil: 1'), made.password, '(KeyId)'],
    ['data that is not base64', `{"KeyId":"KAAP.1","PrivateKeyData":"${'<'.repeat(9)}"}`, '', '(PrivateKeyData)'],
  ])('is refused for %s, and the message holds nothing of it', (_, text, password, reason) => {
    const failure = captured(() => readClientKeyFile(text, password));
    expect(failure).toMatchObject({ code: 'key-unusable', message: expect.stringContaining(reason) });
    expect(failure.cause).toBeUndefined();
    for (const secret of [made.password, 'not-the-password', JSON.parse(made.fileText).PrivateKeyData.slice(0, 20)]) {
      expect(failure.message).not.toContain(secret);
    }
  });
});

describe('a ClientKey by its id and PEM', () => {
  it('takes PKCS#8 and PKCS#1, and knows no end', () => {
    const pkcs1 = createPrivateKey(made.privateKeyPem).export({ type: 'pkcs1', format: 'pem' }).toString();
    for (const pem of [made.privateKeyPem, pkcs1]) {
      expect(clientKeyOf('KAAP.1', pem)).toMatchObject({ id: 'KAAP.1', notAfter: undefined });
    }
  });

  it.each([
    [
      'an EC key',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ],
    ['a public key', made.publicKeyPem],
    ['an empty file', ''],
  ])('refuses %s', (_, pem) => {
    expect(() => clientKeyOf('KAAP.1', pem.toString())).toThrow(expect.objectContaining({ code: 'key-unusable' }));
  });
});

function captured(step: () => unknown): Error {
  try {
    step();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was expected to fail and did not');
}
