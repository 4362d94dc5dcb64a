import { AutosignError } from '../domain/errors.ts';

/** Bytes of r and of s on P-256. */
const scalarLength = 32;
const tagInteger = 0x02;
const tagSequence = 0x30;

/**
 * An ECDSA signature on P-256 in ASN.1 DER (RFC 3279, section 2.2.3), as key services answer, turned into the 64 bytes
 * r||s that JWS and WebCrypto take (RFC 7518, section 3.4). Strict DER only: what another reader might read otherwise
 * is refused.
 * @throws AutosignError `signature-invalid`
 */
export function ecdsaDerToRaw(der: Uint8Array): Uint8Array {
  // Two integers of at most 33 bytes keep every length below 128, so each takes one byte.
  if (der[0] !== tagSequence || der[1] !== der.length - 2 || der.length > 2 + 2 * (scalarLength + 3)) {
    throw malformed('it is not one sequence of two P-256 integers');
  }
  const r = readInteger(der, 2);
  const s = readInteger(der, r.end);
  if (s.end !== der.length) throw malformed('bytes follow the second integer');
  const raw = new Uint8Array(2 * scalarLength);
  raw.set(r.value, scalarLength - r.value.length);
  raw.set(s.value, 2 * scalarLength - s.value.length);
  return raw;
}

/** Reads one positive INTEGER at `start` in its shortest form; `value` has no leading zero. */
function readInteger(der: Uint8Array, start: number): { readonly value: Uint8Array; readonly end: number } {
  const length = der[start + 1] ?? 0;
  const end = start + 2 + length;
  if (der[start] !== tagInteger || length === 0 || end > der.length) throw malformed('an integer is missing');
  const content = der.subarray(start + 2, end);
  const [first = 0, second = 0] = content;
  if (first >= 0x80) throw malformed('an integer is negative');
  if (first !== 0) return { value: checkedScalar(content), end };
  if (second < 0x80) throw malformed('an integer is zero or has needless leading zeros');
  return { value: checkedScalar(content.subarray(1)), end };
}

function checkedScalar(value: Uint8Array): Uint8Array {
  if (value.length > scalarLength) throw malformed(`an integer has more than ${scalarLength} bytes`);
  return value;
}

function malformed(reason: string): AutosignError {
  return new AutosignError('signature-invalid', `the ECDSA signature is malformed: ${reason}`);
}
