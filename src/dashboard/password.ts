import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** What one check of a password costs: scrypt's N as a power of two, r and p (RFC 7914). */
interface Cost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

// 32 MiB for about a quarter of a second, one of the settings that OWASP names as equal for scrypt.
// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt
const cost: Cost = { ln: 15, r: 8, p: 3 };
// A hash from elsewhere may cost more, but not so much that one try to log in takes the worker's memory.
const costMost: Cost = { ln: 17, r: 8, p: 5 };
const saltBytes = 16;
const hashBytes = 32;

/** A password's hash, read from its text. */
export interface PasswordHash {
  readonly cost: Cost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

// https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md; base64 without padding.
const hashPattern = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/;

/** Hashes a password with a salt of its own: `$scrypt$ln=…,r=…,p=…$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, salt, cost);
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Reads the text of a hash; undefined when it is none, or when it is cheaper than ours or too dear to be checked. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, ln, r, p, salt, hash] = hashPattern.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  const read: Cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const inBounds = (['ln', 'r', 'p'] as const).every(
    (part) => read[part] >= cost[part] && read[part] <= costMost[part],
  );
  return inBounds ? { cost: read, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') } : undefined;
}

/** Whether this is the password of that hash, in a time that does not tell how much of it is right. */
export async function isPassword(password: string, { cost: asked, salt, hash }: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, salt, asked), hash);
}

function derive(password: string, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  const N = 2 ** ln;
  // What the algorithm takes (128 N r, and 128 r p beside it), with room for Node's own count.
  const maxmem = 256 * N * r;
  return new Promise((resolve, reject) => {
    // The same letter may be typed as one code point or as two.
    scrypt(password.normalize('NFKC'), salt, hashBytes, { N, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
