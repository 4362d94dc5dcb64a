import { sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAutosignError } from '../../../src/domain/errors.ts';
import { ecdsaDerToRaw } from '../../../src/keys/ecdsa-signature.ts';
import { signingKey } from '../../support/signing-keys.ts';

const ones = '01'.repeat(32);
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

describe('ecdsaDerToRaw', () => {
  it('turns signatures that OpenSSL made into ones that OpenSSL accepts as r||s', () => {
    const key = signingKey('EC_P256');
    // Enough that some r and s have a leading zero byte or a set first bit.
    for (let count = 0; count < 300; count += 1) {
      const message = Buffer.from(`message ${count}`);
      const raw = ecdsaDerToRaw(sign('sha256', message, key.privateKeyPem));
      expect(raw).toHaveLength(64);
      expect(verify('sha256', message, { key: key.publicKeyPem, dsaEncoding: 'ieee-p1363' }, raw)).toBe(true);
    }
  });

  it('pads short integers on the left', () => {
    expect(Buffer.from(ecdsaDerToRaw(bytes('3006020105020109'))).toString('hex')).toBe(
      `${'00'.repeat(31)}05${'00'.repeat(31)}09`,
    );
  });

  it.each([
    ['nothing', ''],
    ['no sequence', '3106020105020109'],
    ['a sequence that says it is shorter', '3005020105020109'],
    ['a sequence that says it is longer', '3007020105020109'],
    ['a length in long form', '308106020105020109'],
    ['one integer only', '3003020105'],
    ['a third integer', '3009020105020109020101'],
    ['bytes after the sequence', '300602010502010900'],
    ['another type than integer', '3006040105020109'],
    ['an empty integer', '30050200020109'],
    ['zero', '3006020100020109'],
    ['a negative integer', '3006020185020109'],
    ['a needless leading zero', '300702020005020109'],
    ['an integer that runs past the end', '3006020105020909'],
    ['an integer of 33 bytes', `3026022101${ones}020101`],
    ['an integer of 33 bytes behind a zero', `302702220080${ones}020101`],
  ])('refuses %s', (_name, hex) => {
    expect(() => ecdsaDerToRaw(bytes(hex))).toThrow(expect.objectContaining({ code: 'signature-invalid' }));
  });

  it('accepts exactly one encoding of each pair of integers', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.nat({ max: 71 }),
        fc.integer({ min: 1, max: 255 }),
        (raw, at, flip) => {
          fc.pre(raw.subarray(0, 32).some((byte) => byte > 0) && raw.subarray(32).some((byte) => byte > 0));
          const der = encodeDer(raw);
          expect(ecdsaDerToRaw(der)).toEqual(raw);
          const changed = Uint8Array.from(der, (byte, index) => (index === at % der.length ? byte ^ flip : byte));
          let read: Uint8Array;
          try {
            read = ecdsaDerToRaw(changed);
          } catch (error) {
            expect(isAutosignError(error, 'signature-invalid')).toBe(true);
            return;
          }
          expect(encodeDer(read)).toEqual(changed);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

/** The one DER encoding of r||s. */
function encodeDer(raw: Uint8Array): Uint8Array {
  const integers = [raw.subarray(0, 32), raw.subarray(32)].map((scalar) => {
    const digits = Buffer.from(scalar)
      .toString('hex')
      .replace(/^(00)+/, '');
    const content = Buffer.from(/^[89a-f]/.test(digits) ? `00${digits}` : digits, 'hex');
    return Buffer.concat([Buffer.from([0x02, content.length]), content]);
  });
  const body = Buffer.concat(integers);
  return Uint8Array.from([0x30, body.length, ...body]);
}
