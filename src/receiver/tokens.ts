import { createHash, timingSafeEqual } from 'node:crypto';

/** How many hashes may be valid at once: the old and the new one while a token is rotated. */
const hashesMax = 2;

// Stands where a registry has fewer hashes or is unknown, so that every check does the same work. No token has it.
const noHash = Buffer.alloc(32);

/**
 * Whether `token` is one of those whose SHA-256 (lower-case hex) is in `hashes`, in a time that tells neither which
 * one nor whether there are any. A token has 256 random bits, so a plain hash of it cannot be reversed.
 * @param hashes at most two; undefined for an unknown registry
 */
export function isValidToken(token: string, hashes: readonly string[] | undefined): boolean {
  const given = createHash('sha256').update(token).digest();
  let valid = false;
  for (let index = 0; index < hashesMax; index += 1) {
    const hash = hashes?.[index];
    const equal = timingSafeEqual(given, hash === undefined ? noHash : Buffer.from(hash, 'hex'));
    valid = (equal && hash !== undefined) || valid;
  }
  return valid;
}
